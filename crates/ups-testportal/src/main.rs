//! Serves the test portal, or writes generated billing files.

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    ups_testportal::command::run(&arguments)
}
