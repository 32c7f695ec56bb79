//! Records as TensorFlow frames them: length, its checksum, bytes, their checksum.

use crc::{CRC_32_ISCSI, Crc};

/// CRC-32C, which is CRC-32/ISCSI by its other name.
const CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Adds a record to bytes that will be written.
pub(super) fn append(to: &mut Vec<u8>, record: &[u8]) {
    let length = (record.len() as u64).to_le_bytes();
    to.extend(length);
    to.extend(masked_checksum(&length).to_le_bytes());
    to.extend(record);
    to.extend(masked_checksum(record).to_le_bytes());
}

/// The format rotates and shifts checksums, since that of bytes which hold their own checksum would say little.
pub(super) fn masked_checksum(bytes: &[u8]) -> u32 {
    CASTAGNOLI
        .checksum(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}
