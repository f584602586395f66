//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use nightshift_common::flags::SharedFlags;

/// Keeps multilink PPP bundles alive: the interface, its routes and the TCP connections over it
/// outlive every link.
#[derive(Debug, Parser)]
#[command(name = "pppmon", version, propagate_version = true)]
pub struct Cli {
    /// Common flags.
    #[command(flatten)]
    pub shared: SharedFlags,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Supervise the configured bundles until told to end
    ///
    /// Stays in the foreground, as systemd and inittab want it. SIGHUP reads the configuration
    /// anew; SIGTERM and SIGINT end all links. The interfaces stay when systemd's descriptor store
    /// or the holder process keeps them (see `release`), so an upgrade is `systemctl restart`.
    Run,
    /// Read the configuration, say what is wrong with it, and exit
    ///
    /// Nothing is started. Exit code 2 means a mistake, whose file, line and column is printed.
    Check,
    /// Show bundles and links
    ///
    /// Exit code 0 if every bundle is open with all its links, 1 if a link is missing or a bundle
    /// is below min_links, 10 if a bundle is down, 3 if no supervisor answers.
    Status {
        /// Only this bundle
        ///
        /// Without it all bundles are shown.
        bundle: Option<String>,
        /// Print JSON, one object
        ///
        /// The format is versioned; fields are only ever added. Cannot be combined with --watch.
        #[arg(long, conflicts_with = "watch")]
        json: bool,
        /// Show the table again every second until interrupted
        ///
        /// On a terminal the screen is redrawn; otherwise tables follow one another.
        #[arg(long)]
        watch: bool,
    },
    /// Switch a bundle or a link on
    ///
    /// Also ends every wait of it: backoff, refused credentials, refused options.
    Up {
        /// BUNDLE or BUNDLE/LINK
        ///
        /// May be repeated. Exit code 4 if it worked for some only.
        #[arg(required = true)]
        target: Vec<String>,
    },
    /// Switch a bundle or a link off
    ///
    /// The interface of a bundle stays, with its routes, until the supervisor releases it.
    Down {
        /// BUNDLE or BUNDLE/LINK
        ///
        /// May be repeated. Exit code 4 if it worked for some only.
        #[arg(required = true)]
        target: Vec<String>,
    },
    /// Replace every pppd of a bundle, or one link's
    ///
    /// A bundle's sequence numbers go back to zero, as after a restart of the peer.
    Restart {
        /// BUNDLE or BUNDLE/LINK
        ///
        /// May be repeated. Exit code 4 if it worked for some only.
        #[arg(required = true)]
        target: Vec<String>,
    },
    /// Bring a bundle's sequence numbers back to zero
    ///
    /// For a peer that counts from the beginning without having restarted its links. The links of
    /// the bundle are replaced; the interface stays.
    Resync {
        /// Which bundle
        ///
        /// Its name in the configuration.
        bundle: String,
    },
    /// Show the routes through the bundles' interfaces
    ///
    /// For classic bundles the remembered routes are shown while the interface is gone.
    Routes {
        /// Only this bundle
        ///
        /// Without it all bundles are shown.
        bundle: Option<String>,
    },
    /// Print the pppd command line of a link
    ///
    /// It is the exact line the supervisor runs, quoted for a shell. No supervisor is needed.
    PrintCmd {
        /// BUNDLE/LINK
        ///
        /// Names as in the configuration; a link without a name is link1, link2 and so on.
        link: String,
    },
    /// Look for what would keep bundles from working
    ///
    /// Checks privileges, the kernel's PPP and multilink, pppd and its database, and the lines of
    /// the configuration if there is one. Exit code 1 if something was found.
    Doctor,
    /// Read the configuration anew, like SIGHUP
    ///
    /// A configuration with mistakes changes nothing. Unchanged bundles are not touched.
    Reload,
    /// End the supervisor and give up the interfaces
    ///
    /// Ends all links; interfaces and their routes go, unlike with a plain stop.
    Release,
    /// Keep descriptors for a supervisor; started by `run`
    ///
    /// A small process that owns the interfaces while no supervisor runs. It ends when told to, or
    /// when it holds nothing.
    #[command(hide = true)]
    Hold {
        /// Socket to listen on
        ///
        /// In a directory that only root can enter.
        #[arg(long)]
        socket: PathBuf,
    },
}
