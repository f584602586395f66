//! The program's two jobs: to serve the portal until standard input ends, and to write billing
//! files.
//!
//! ```text
//! ups-testportal serve DIRECTORY    writes ca.pem, profiles and a configuration there
//! ups-testportal generate BYTES     writes a billing file of about that size to stdout
//! ```

use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::Path;

use crate::invoice::{Recipe, make};
use crate::portal::{CLASSIC, PASSWORD, Portal, USER, weekly};
use crate::variant::Variant;
use anyhow::{Context as _, bail};
use jiff::ToSpan as _;
use jiff::civil::date;

/// Does what the arguments (without the program's name) ask for.
pub fn run(arguments: &[String]) -> anyhow::Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", directory] => serve(Path::new(directory)),
        ["generate", bytes] => generate(bytes.parse().context("BYTES is a number")?),
        _ => bail!("usage: ups-testportal serve DIRECTORY | generate BYTES"),
    }
}

fn serve(directory: &Path) -> anyhow::Result<()> {
    let today = jiff::tz::TimeZone::system()
        .to_datetime(jiff::Timestamp::now())
        .date();
    let portal = Portal::start(weekly(12, today.saturating_sub(3.days()), 8))?;
    let write = |name: &str, text: &str| {
        let path = directory.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = std::fs::File::create(path)?;
        file.write_all(text.as_bytes())
    };
    write("ca.pem", &portal.authority.pem())?;
    write("profiles/portal-classic.toml", CLASSIC)?;
    write("password", PASSWORD)?;
    let shown = directory.display();
    write(
        "config.toml",
        &format!(
            "state = \"{shown}/state\"\nprofiles = \"{shown}/profiles\"\nlock = \"{shown}/lock\"\n\n\
             [[account]]\nname = \"main\"\nprofile = \"portal-classic\"\nusername = \"{USER}\"\n\
             numbers = [\"A1B2C3\"]\npassword_command = [\"cat\", \"{shown}/password\"]\n\n\
             [tls]\nca_file = \"{shown}/ca.pem\"\n"
        ),
    )?;
    let mut out = io::stdout().lock();
    for entry in portal.resolve() {
        writeln!(out, "{entry}")?;
    }
    out.flush()?;
    // Whoever started us closes our standard input to end us, also by dying.
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn generate(bytes: u64) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let (mut written, mut seed) = (0, 0);
    let variant = Variant::default();
    while written < bytes {
        let weeks = i64::try_from(seed % 50)?;
        let recipe = Recipe {
            seed,
            account: format!("{:06X}", seed / 1000),
            currency: "USD".to_owned(),
            date: date(2026, 11, 28).saturating_sub((weeks * 7).days()),
            shipments: 400,
        };
        let file = variant.csv(&make(&recipe));
        written += file.len() as u64;
        out.write_all(&file)?;
        seed += 1;
    }
    out.flush()?;
    Ok(())
}
