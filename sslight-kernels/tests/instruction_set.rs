//! The limit of the instruction set, in a process of its own.

use sslight_kernels::instruction_set::{InstructionSet, available, in_use, limit};

#[test]
fn kernels_use_the_widest_set_of_the_machine_that_the_limit_allows() {
    let sets = available();
    println!("this machine has {sets:?}");
    assert_eq!(sets[0], InstructionSet::Baseline);
    assert!(sets.is_sorted(), "{sets:?}");
    assert_eq!(
        sets.last(),
        Some(&in_use()),
        "without a limit it is the widest"
    );
    for set in &sets {
        limit(*set);
        assert_eq!(in_use(), *set);
    }
    limit(InstructionSet::Avx512);
    assert_eq!(sets.last(), Some(&in_use()));
}
