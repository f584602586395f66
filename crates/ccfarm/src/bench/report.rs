//! The two forms of the measurements.

use std::io::{self, Write};

use serde_json::json;

use super::{Advice, Curve};

/// A table per node, and the advice.
pub fn print_text(curves: &[Curve], advice: Advice, out: &mut impl Write) -> io::Result<()> {
    for curve in curves {
        let points = match &curve.points {
            Ok(points) => points,
            Err(reason) => {
                writeln!(out, "{}: {reason}", curve.name)?;
                continue;
            }
        };
        writeln!(out, "{}:\n  jobs  per second  median s", curve.name)?;
        for point in points {
            let median = point.median.as_secs_f64();
            writeln!(
                out,
                "  {:>4}  {:>10.2}  {median:>8.3}",
                point.jobs, point.per_second
            )?;
        }
        writeln!(
            out,
            "  slots = {} (farm file: {})",
            curve.slots, curve.present
        )?;
    }
    if curves.iter().any(|curve| curve.points.is_ok()) {
        writeln!(out, "make -j{}", advice.jobs)?;
    }
    if let Some(enough) = advice.enough {
        writeln!(
            out,
            "slots that keep one core of the device busy: {enough}; more cannot help"
        )?;
    }
    out.flush()
}

/// One document on one line.
pub fn print_json(curves: &[Curve], advice: Advice, out: &mut impl Write) -> io::Result<()> {
    let entry = |curve: &Curve| match &curve.points {
        Err(reason) => json!({"name": curve.name, "slots": curve.slots, "detail": reason}),
        Ok(points) => {
            let points: Vec<_> = points
                .iter()
                .map(|point| {
                    json!({
                        "jobs": point.jobs,
                        "per_second": point.per_second,
                        "median_seconds": point.median.as_secs_f64(),
                    })
                })
                .collect();
            json!({"name": curve.name, "slots": curve.slots, "curve": points})
        }
    };
    let nodes: Vec<_> = curves.iter().map(entry).collect();
    let ok = curves.iter().all(|curve| curve.points.is_ok());
    let document = json!({
        "nodes": nodes, "make_jobs": advice.jobs, "enough_slots": advice.enough, "ok": ok,
    });
    writeln!(out, "{document}")?;
    out.flush()
}
