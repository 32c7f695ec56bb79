//! Pickles that want something run, or are damaged, or are made to exhaust whoever reads them.

use super::*;

fn error(pickle: &[u8]) -> PickleError {
    match unpickle(pickle) {
        Ok(_) => panic!("{pickle:?} was read"),
        Err(error) => error,
    }
}

#[test]
fn no_function_or_class_outside_the_list_gets_in() {
    for (pickle, name) in [
        (&b"cposix\nsystem\nU\x02ls\x85R."[..], "posix.system"),
        (b"U\x08builtinsU\x04eval\x93U\x011\x85R.", "builtins.eval"),
        (b"cbuiltins\ngetattr\n.", "builtins.getattr"),
        (b"ctorch\nload\n.", "torch.load"),
        (
            b"ctorch\nComplexFloatStorage\n.",
            "torch.ComplexFloatStorage",
        ),
        (
            b"ctorchvision.models.resnet\nResNet\n)\x81.",
            "torchvision.models.resnet.ResNet",
        ),
    ] {
        let error = error(pickle);
        assert!(matches!(error, PickleError::UnknownClass { .. }), "{error}");
        let message = error.to_string();
        assert!(
            message.contains(&format!(": {name} is none of")),
            "{message}"
        );
        assert!(message.contains("state_dict()"), "{message}");
    }
}

#[test]
fn known_classes_refuse_what_they_do_not_take() {
    for pickle in [
        &b"ctorch\nFloatStorage\n)R."[..],
        b"cbuiltins\nset\nK\x01\x85R.",
        b"cargparse\nNamespace\nK\x01\x85R.",
        b"ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"ctorch._utils\n_rebuild_parameter\nK\x01\x85R.",
        b"cnumpy\ndtype\nU\x02O8\x85R.",
        b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02f8\x85RC\x01\x00\x86R.",
        b"c_codecs\nencode\nU\x01aU\x04utf8\x86R.",
        b"K\x01)R.",
        b"K\x01K\x02b.",
        b"K\x01K\x02a.",
        b"}K\x01a.",
        b"](K\x01K\x02u.",
        b"}(K\x01u.",
        b"(U\x06moduleNt\x51.",
        b"(U\x07storageNU\x010U\x03cpuK\x01t\x51.",
    ] {
        let error = error(pickle);
        assert!(
            matches!(error, PickleError::Operand { .. }),
            "{pickle:?}: {error}"
        );
    }
}

#[test]
fn a_tensor_of_a_class_is_read_but_calls_do_not_nest() {
    let tensor = b"(ctorch._utils\n_rebuild_tensor_v2\nN((U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x01t\x51\
        K\x00K\x01\x85K\x01\x85\x89NtNt";
    let from_type = b"ctorch._tensor\n_rebuild_from_type_v2\nq\x00";
    let objects = read(&[&from_type[..], tensor, b"R."].concat());
    let shape = root(&objects).as_tensor().map(TensorRef::shape);
    assert_eq!(shape, Some(&[1][..]));
    let nested = [&from_type[..], b"(h\x00N", tensor, b"NtR."].concat();
    let error = error(&nested);
    assert!(matches!(error, PickleError::Operand { .. }), "{error}");
}

#[test]
fn the_stack_cannot_be_taken_below_its_bottom_or_a_mark() {
    for pickle in [
        &b"."[..],
        b"0",
        b"1",
        b"2",
        b"K\x01(.",
        b"K\x01(2",
        b"K\x01K\x02(\x86",
        b"t",
        b"q\x00",
        b"\x94",
        b"b",
        b"R",
        b"\x93",
        b"\x51",
    ] {
        let error = error(pickle);
        assert!(
            matches!(error, PickleError::Operand { .. }),
            "{pickle:?}: {error}"
        );
    }
    assert_eq!(error(b"h\x03."), PickleError::Memo { at: 0, index: 3 });
}

#[test]
fn lengths_are_compared_with_what_is_left_before_anything_is_allocated() {
    for pickle in [
        &b"X\xff\xff\xff\xff"[..],
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x96\x00\x00\x00\x00\x00\x01\x00\x00",
        b"B\xff\xff\xff\xff",
        b"\x8b\xff\xff\xff\x7f",
        b"\x8a\xffx",
        b"G\x00",
        b"cno line",
        b"",
    ] {
        assert_eq!(
            error(pickle),
            PickleError::Truncated { at: 0 },
            "{pickle:?}"
        );
    }
}

#[test]
fn what_is_no_instruction_of_these_protocols_is_named() {
    // Protocol 0 writes numbers as text.
    assert_eq!(
        error(b"I1\n."),
        PickleError::Opcode {
            at: 0,
            opcode: b'I'
        }
    );
    assert_eq!(
        error(b"N\xff."),
        PickleError::Opcode {
            at: 1,
            opcode: 0xff
        }
    );
    assert_eq!(error(b"\x8c\x01\xff."), PickleError::Text { at: 0 });
    let wide = [&b"\x8a\x11"[..], &[1; 17], b"."].concat();
    assert!(matches!(error(&wide), PickleError::Operand { .. }));
}

#[test]
fn shared_objects_cost_nothing_however_often_they_double() {
    // A list of two times the list before, 200 deep: 2^200 elements for whoever copies.
    let mut pickle = b"]q\x00".to_vec();
    for _ in 0..200 {
        pickle.extend(b"](h\x00h\x00eq\x00");
    }
    pickle.push(b'.');
    let objects = read(&pickle);
    assert_eq!(root(&objects).items().len(), 2);
}

#[test]
fn a_list_that_holds_itself_and_lists_a_million_deep_are_read_and_dropped() {
    let objects = read(b"]q\x00h\x00a.");
    let inner = root(&objects).items().next();
    assert_eq!(inner.map(|inner| inner.items().len()), Some(1));
    let deep = 1_000_000;
    read(&[vec![b']'; deep], vec![b'a'; deep - 1], b".".to_vec()].concat());
}

#[test]
fn a_pickle_without_end_is_given_up() {
    let error = error(&vec![b'('; 5 << 20]);
    assert!(matches!(error, PickleError::TooLong { .. }), "{error}");
}

#[test]
fn the_name_of_a_class_is_shown_short_and_without_what_moves_a_cursor() {
    let name = "\x1b[2J".repeat(10_000);
    let message = error(format!("c{name}\n{name}\n.").as_bytes()).to_string();
    assert!(!message.contains(char::is_control), "{message:?}");
    assert!(message.len() < 1000, "{}", message.len());
}
