//! Where the parts of a FAT volume lie, and its reserved sectors. Pure.

use std::io;

use crate::image::config::FileSystem;

/// Bytes of a sector.
pub(super) const SECTOR: u64 = 512;

/// Width of the entries of the allocation table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Fat12,
    Fat16,
    Fat32,
}

/// The layout of a volume: reserved sectors, two allocation tables, the root of FAT12 and FAT16, clusters from number 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) kind: Kind,
    /// Of the whole volume.
    pub(super) sectors: u32,
    pub(super) sectors_per_cluster: u8,
    pub(super) reserved_sectors: u16,
    /// Of one table.
    pub(super) table_sectors: u32,
    /// Entries of the root folder of FAT12 and FAT16.
    pub(super) root_entries: u16,
    /// Number of clusters.
    pub(super) clusters: u32,
}

impl Kind {
    /// Clusters that a volume may have: readers tell the kind by their number alone. Both ends keep the distance that
    /// `mkfs.fat` keeps, since some readers count a little wrong.
    fn limits(self) -> (u32, u32) {
        match self {
            Self::Fat12 => (1, 4068),
            Self::Fat16 => (4101, 65_508),
            Self::Fat32 => (65_541, 0x0fff_fff0),
        }
    }

    fn bits(self) -> u64 {
        match self {
            Self::Fat12 => 12,
            Self::Fat16 => 16,
            Self::Fat32 => 32,
        }
    }

    /// The mark of a file's last cluster.
    pub(super) fn end_of_chain(self) -> u32 {
        match self {
            Self::Fat12 => 0xfff,
            Self::Fat16 => 0xffff,
            Self::Fat32 => 0x0fff_ffff,
        }
    }

    /// The bytes of an allocation table.
    pub(super) fn encoded(self, table: &[u32]) -> Vec<u8> {
        match self {
            Self::Fat32 => table.iter().flat_map(|entry| entry.to_le_bytes()).collect(),
            Self::Fat16 => table.iter().flat_map(|entry| [entry.to_le_bytes()[0], entry.to_le_bytes()[1]]).collect(),
            Self::Fat12 => {
                let pair = |pair: &[u32]| {
                    let bits = pair[0] & 0xfff | pair.get(1).copied().unwrap_or(0) << 12;
                    let [a, b, c, _] = bits.to_le_bytes();
                    [a, b, c]
                };
                table.chunks(2).flat_map(pair).collect()
            }
        }
    }
}

impl Geometry {
    /// The layout of a volume of `bytes` bytes.
    pub(super) fn new(wanted: FileSystem, bytes: u64) -> io::Result<Self> {
        let kinds: &[Kind] = match wanted {
            FileSystem::Fat16 => &[Kind::Fat16],
            FileSystem::Fat32 => &[Kind::Fat32, Kind::Fat16, Kind::Fat12],
            FileSystem::Fat | FileSystem::Ext4 if bytes >= 512 << 20 => &[Kind::Fat32],
            FileSystem::Fat | FileSystem::Ext4 => &[Kind::Fat16, Kind::Fat12],
        };
        let sizes = |kind: Kind| (0..8).map(move |power| (kind, 1_u8 << power));
        let least = least_cluster(bytes);
        let candidates =
            kinds.iter().copied().flat_map(sizes).filter(|(kind, size)| *kind != Kind::Fat32 || *size >= least);
        let found = candidates.into_iter().find_map(|(kind, size)| Self::with(kind, bytes, size));
        found.ok_or_else(|| {
            let text = format!("a volume of {bytes} bytes does not suit this kind of FAT");
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })
    }

    fn with(kind: Kind, bytes: u64, sectors_per_cluster: u8) -> Option<Self> {
        let sectors = u32::try_from(bytes / SECTOR).ok()?;
        let (reserved_sectors, root_entries) = if kind == Kind::Fat32 { (32_u16, 0_u16) } else { (4, 512) };
        let fixed = u32::from(reserved_sectors) + u32::from(root_entries) / 16;
        let mut table_sectors = 1;
        loop {
            let data = sectors.checked_sub(fixed + 2 * table_sectors)?;
            let clusters = data / u32::from(sectors_per_cluster);
            let needed = u32::try_from(((u64::from(clusters) + 2) * kind.bits()).div_ceil(8 * SECTOR)).ok()?;
            if needed <= table_sectors {
                let (least, most) = kind.limits();
                return (least..=most).contains(&clusters).then_some(Self {
                    kind,
                    sectors,
                    sectors_per_cluster,
                    reserved_sectors,
                    table_sectors,
                    root_entries,
                    clusters,
                });
            }
            table_sectors = needed;
        }
    }

    pub(super) fn cluster_bytes(&self) -> u64 {
        u64::from(self.sectors_per_cluster) * SECTOR
    }

    /// First byte of the allocation table `copy`.
    pub(super) fn table_at(&self, copy: u32) -> u64 {
        (u64::from(self.reserved_sectors) + u64::from(copy) * u64::from(self.table_sectors)) * SECTOR
    }

    /// First byte of the root folder of FAT12 and FAT16.
    pub(super) fn root_at(&self) -> u64 {
        self.table_at(2)
    }

    /// Size of that folder.
    pub(super) fn root_bytes(&self) -> u64 {
        u64::from(self.root_entries) * 32
    }

    /// First byte of a cluster.
    pub(super) fn cluster_at(&self, cluster: u32) -> u64 {
        self.root_at() + self.root_bytes() + u64::from(cluster - 2) * self.cluster_bytes()
    }

    /// The reserved sectors: boot sector, and for FAT32 the count of free clusters and a copy of both.
    pub(super) fn reserved(&self, serial: u32, label: Option<&[u8; 11]>, used: u32) -> Vec<u8> {
        let mut bytes = vec![0; usize::from(self.reserved_sectors) * 512];
        let boot = self.boot_sector(serial, label.unwrap_or(b"NO NAME    "));
        bytes[..512].copy_from_slice(&boot);
        if self.kind == Kind::Fat32 {
            let information = information_sector(self.clusters - used, used + 2);
            bytes[512..1024].copy_from_slice(&information);
            bytes[6 * 512..7 * 512].copy_from_slice(&boot);
            bytes[7 * 512..8 * 512].copy_from_slice(&information);
        }
        bytes
    }

    fn boot_sector(&self, serial: u32, label: &[u8; 11]) -> [u8; 512] {
        let is_32 = self.kind == Kind::Fat32;
        let mut sector = [0; 512];
        let mut put = |at: usize, field: &[u8]| sector[at..at + field.len()].copy_from_slice(field);
        let code: u8 = if is_32 { 0x5a } else { 0x3e };
        put(0, &[0xeb, code - 2, 0x90]);
        put(3, b"drydock ");
        put(11, &512_u16.to_le_bytes());
        put(13, &[self.sectors_per_cluster]);
        put(14, &self.reserved_sectors.to_le_bytes());
        put(16, &[2]);
        put(17, &self.root_entries.to_le_bytes());
        let small = u16::try_from(self.sectors).ok().filter(|_| !is_32);
        put(19, &small.unwrap_or(0).to_le_bytes());
        put(21, &[0xf8]);
        put(24, &[32, 0, 64, 0]);
        put(32, &if small.is_some() { 0 } else { self.sectors }.to_le_bytes());
        if is_32 {
            put(36, &self.table_sectors.to_le_bytes());
            // The root's cluster, the sector with the count of free clusters, and the copy of both.
            put(44, &[2, 0, 0, 0, 1, 0, 6, 0]);
        } else {
            put(22, &self.table_sectors.to_le_bytes()[..2]);
        }
        let extended = if is_32 { 64 } else { 36 };
        put(extended, &[0x80, 0, 0x29]);
        put(extended + 3, &serial.to_le_bytes());
        put(extended + 7, label);
        put(extended + 18, self.type_name());
        // Halts a machine that takes the volume for a system.
        put(usize::from(code), &[0xf4, 0xeb, 0xfd]);
        put(510, &[0x55, 0xaa]);
        sector
    }

    fn type_name(&self) -> &'static [u8; 8] {
        match self.kind {
            Kind::Fat12 => b"FAT12   ",
            Kind::Fat16 => b"FAT16   ",
            Kind::Fat32 => b"FAT32   ",
        }
    }
}

/// Sectors a cluster that Microsoft's table has for a FAT32 volume of this size.
fn least_cluster(bytes: u64) -> u8 {
    match bytes >> 20 {
        0..=260 => 1,
        261..=8192 => 8,
        8193..=16384 => 16,
        16385..=32768 => 32,
        _ => 64,
    }
}

fn information_sector(free: u32, next: u32) -> [u8; 512] {
    let mut sector = [0; 512];
    sector[..4].copy_from_slice(b"RRaA");
    sector[484..488].copy_from_slice(b"rrAa");
    sector[488..492].copy_from_slice(&free.to_le_bytes());
    sector[492..496].copy_from_slice(&next.to_le_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}
