//! Standard output on which a closed pipe is success; used by every tool that prints data.

use std::io::{self, BufWriter, Stdout, Write};

/// A buffered standard output. When the reader has gone (`tool | head`), writing goes on without
/// effect and without an error; long producers ask [`Out::closed`] to stop early.
#[derive(Debug)]
pub struct Out {
    inner: BufWriter<Stdout>,
    closed: bool,
}

impl Out {
    /// The process's standard output.
    pub fn stdout() -> Self {
        Out {
            inner: BufWriter::new(io::stdout()),
            closed: false,
        }
    }

    /// True once the reader has gone.
    pub fn closed(&self) -> bool {
        self.closed
    }

    fn forgive<T>(&mut self, result: io::Result<T>, instead: T) -> io::Result<T> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(instead)
            }
            other => other,
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed {
            return Ok(bytes.len());
        }
        let result = self.inner.write(bytes);
        self.forgive(result, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let result = self.inner.flush();
        self.forgive(result, ())
    }
}
