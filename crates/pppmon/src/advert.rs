//! What pppd must find in its database to join a bundle of ours.
//!
//! A joining pppd looks up its bundle key, follows it to the record of the pppd that owns the
//! bundle, checks that this process exists and that the unit's own record names it too, and joins
//! that unit. We put these records there in the name of the process that holds the interface.

use crate::tdb::{Result, Tdb};

/// One bundle's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// Process that exists as long as the interface does.
    pub pid: u32,
    /// PPP unit number.
    pub unit: u32,
    /// Bundle name, as given to pppd's `bundle` option.
    pub bundle: String,
    /// Name by which the peer authenticates itself to us; empty without authentication.
    pub peer: String,
}

impl Advert {
    /// Key under which pppd looks: quoted peer name, no endpoint, bundle name.
    pub fn key(&self) -> Vec<u8> {
        let mut peer = String::new();
        for c in self.peer.chars() {
            if matches!(c, '"' | '\\') {
                peer.push('\\');
            }
            peer.push(c);
        }
        format!("BUNDLE=\"{peer}\"//{}", self.bundle).into_bytes()
    }

    /// Name of the owner's record. pppd calls its own `pppd<PID>`; the unit is added because one
    /// process owns several bundles here.
    fn owner(&self) -> Vec<u8> {
        format!("pppd{}.{}", self.pid, self.unit).into_bytes()
    }

    fn records(&self) -> [(Vec<u8>, Vec<u8>); 5] {
        let Self { pid, unit, .. } = self;
        let owner = self.owner();
        let key = self.key();
        let mut text = format!("PPPD_PID={pid};UNIT={unit};IFNAME=ppp{unit};").into_bytes();
        text.extend(&key);
        text.push(0); // pppd overwrites the last byte of the value with a NUL
        [
            (owner.clone(), text),
            (format!("UNIT={unit}").into_bytes(), owner.clone()),
            (format!("IFNAME=ppp{unit}").into_bytes(), owner.clone()),
            (format!("PPPD_PID={pid}").into_bytes(), owner.clone()),
            (key, owner),
        ]
    }

    /// Writes what is missing or differs; true if anything did. Leftovers of dead processes under
    /// the same keys are replaced that way. The bundle key comes last: it makes the rest visible.
    pub fn publish(&self, tdb: &Tdb) -> Result<bool> {
        let mut changed = false;
        for (key, value) in self.records() {
            if tdb.fetch(&key)?.as_deref() != Some(&value) {
                tdb.store(&key, &value)?;
                changed = true;
            }
        }
        Ok(changed)
    }

    /// Removes the records that are still ours.
    pub fn withdraw(&self, tdb: &Tdb) -> Result<()> {
        for (key, value) in self.records() {
            if tdb.fetch(&key)?.as_deref() == Some(&value) {
                tdb.delete(&key)?;
            }
        }
        Ok(())
    }
}

/// The bundle key a pppd of ours wanted, from the record it made when it did not join.
pub fn wanted_key(tdb: &Tdb, pid: u32) -> Result<Option<String>> {
    let record = tdb.fetch(format!("pppd{pid}").as_bytes())?;
    Ok(record.and_then(|record| {
        let text = String::from_utf8_lossy(&record)
            .trim_end_matches('\0')
            .to_owned();
        let at = text.find("BUNDLE=")?;
        Some(text[at..].to_owned())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advert() -> Advert {
        Advert {
            pid: 77,
            unit: 3,
            bundle: "office".into(),
            peer: String::new(),
        }
    }

    #[test]
    fn keys_are_those_pppd_builds() {
        assert_eq!(advert().key(), br#"BUNDLE=""//office"#);
        let quoted = Advert {
            peer: r#"a"b\c"#.into(),
            ..advert()
        };
        assert_eq!(quoted.key(), br#"BUNDLE="a\"b\\c"//office"#);
    }

    #[test]
    fn records_lead_from_the_key_to_the_unit_and_back() {
        let dir = tempfile::tempdir().unwrap();
        let tdb = Tdb::open(&dir.path().join("db")).unwrap();
        assert!(advert().publish(&tdb).unwrap());
        assert!(
            !advert().publish(&tdb).unwrap(),
            "nothing to do the second time"
        );
        let owner = tdb.fetch(br#"BUNDLE=""//office"#).unwrap().unwrap();
        assert_eq!(tdb.fetch(b"UNIT=3").unwrap().unwrap(), owner);
        let record = tdb.fetch(&owner).unwrap().unwrap();
        assert_eq!(
            record,
            b"PPPD_PID=77;UNIT=3;IFNAME=ppp3;BUNDLE=\"\"//office\0"
        );
    }

    #[test]
    fn withdrawing_leaves_what_others_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let tdb = Tdb::open(&dir.path().join("db")).unwrap();
        advert().publish(&tdb).unwrap();
        tdb.store(b"UNIT=3", b"pppd99").unwrap();
        advert().withdraw(&tdb).unwrap();
        assert_eq!(tdb.keys().unwrap(), [b"UNIT=3".to_vec()]);
    }

    #[test]
    fn the_key_of_a_stray_pppd_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let tdb = Tdb::open(&dir.path().join("db")).unwrap();
        let record = b"PPPD_PID=5;UNIT=4;IFNAME=ppp4;BUNDLE=\"hub\"//office\0";
        tdb.store(b"pppd5", record).unwrap();
        assert_eq!(
            wanted_key(&tdb, 5).unwrap().as_deref(),
            Some("BUNDLE=\"hub\"//office")
        );
        assert_eq!(wanted_key(&tdb, 6).unwrap(), None);
    }
}
