//! Pickles put together by hand: what each instruction makes, and (in `hostile`) what bad ones get.

mod hostile;

use super::*;

fn read(pickle: &[u8]) -> Objects {
    match unpickle(pickle) {
        Ok((objects, length)) => {
            assert_eq!(length, pickle.len());
            objects
        }
        Err(error) => panic!("{error}"),
    }
}

fn root(objects: &Objects) -> Value<'_> {
    Value::root(objects).unwrap()
}

#[test]
fn numbers_of_every_width_are_read() {
    for (pickle, value) in [
        (&b"\x80\x02K\xff."[..], 255),
        (b"M\x01\x02.", 513),
        (b"J\xfe\xff\xff\xff.", -2),
        (b"\x8a\x00.", 0),
        (b"\x8a\x02\x00\x80.", -32_768),
        (b"\x8a\x05\x00\x00\x00\x00\x01.", 1 << 32),
        (b"\x8b\x01\x00\x00\x00\x80.", -128),
    ] {
        assert_eq!(root(&read(pickle)).as_i64(), Some(value), "{pickle:?}");
    }
    let objects = read(b"G\x3f\xf8\x00\x00\x00\x00\x00\x00.");
    assert_eq!(root(&objects).as_f64(), Some(1.5));
    assert_eq!(root(&read(b"\x88.")).as_bool(), Some(true));
    assert!(root(&read(b"N.")).is_none());
}

#[test]
fn text_and_bytes_of_every_width_are_read() {
    for pickle in [
        &b"X\x02\x00\x00\x00ab."[..],
        b"\x8c\x02ab.",
        b"\x8d\x02\x00\x00\x00\x00\x00\x00\x00ab.",
        b"U\x02ab.",
        b"T\x02\x00\x00\x00ab.",
    ] {
        assert_eq!(root(&read(pickle)).as_str(), Some("ab"), "{pickle:?}");
    }
    for pickle in [
        &b"C\x02\xff\x00."[..],
        b"B\x02\x00\x00\x00\xff\x00.",
        b"\x8e\x02\x00\x00\x00\x00\x00\x00\x00\xff\x00.",
        b"U\x02\xff\x00.",
    ] {
        assert_eq!(
            root(&read(pickle)).to_bytes(),
            Some(vec![255, 0]),
            "{pickle:?}"
        );
    }
}

#[test]
fn lists_tuples_sets_and_dicts_hold_what_was_put_in() {
    for (pickle, kind) in [
        (&b"(K\x01K\x02l."[..], "list"),
        (b"]K\x01aK\x02a.", "list"),
        (b"](K\x01K\x02e.", "list"),
        (b"(K\x01K\x02t.", "tuple"),
        (b"K\x01K\x02\x86.", "tuple"),
        (b"\x8f(K\x01K\x02\x90.", "set"),
        (b"(K\x01K\x02\x91.", "set"),
        (b"cbuiltins\nset\n](K\x01K\x02e\x85R.", "set"),
    ] {
        let objects = read(pickle);
        let items: Vec<_> = root(&objects).items().map(Value::as_i64).collect();
        assert_eq!(items, [Some(1), Some(2)], "{pickle:?}");
        assert_eq!(root(&objects).type_name(), kind, "{pickle:?}");
    }
    for pickle in [
        &b"(U\x01aK\x01U\x01bK\x02d."[..],
        b"}U\x01aK\x01sU\x01bK\x02s.",
        b"}(U\x01aK\x01U\x01bK\x02u.",
        b"ccollections\nOrderedDict\n)R(U\x01aK\x01U\x01bK\x02u.",
        // As Python 2 wrote it.
        b"ccollections\nOrderedDict\n](](U\x01aK\x01e](U\x01bK\x02ee\x85R.",
    ] {
        let objects = read(pickle);
        let entry = |key| root(&objects).get(key).and_then(Value::as_i64);
        assert_eq!(entry("b"), Some(2), "{pickle:?}");
        assert_eq!(entry("c"), None, "{pickle:?}");
        assert_eq!(root(&objects).entries().count(), 2, "{pickle:?}");
    }
}

#[test]
fn of_equal_keys_the_last_counts() {
    let objects = read(b"}(U\x01aK\x01U\x01aK\x02u.");
    assert_eq!(root(&objects).get("a").and_then(Value::as_i64), Some(2));
}

#[test]
fn marks_and_copies_of_the_top_of_the_stack_work() {
    for pickle in [
        &b"K\x01(K\x02K\x031."[..],
        b"K\x01K\x020.",
        b"K\x01(0.",
        b"K\x0120.",
    ] {
        assert_eq!(root(&read(pickle)).as_i64(), Some(1), "{pickle:?}");
    }
}

#[test]
fn instances_have_entries_and_attributes() {
    let objects = read(
        b"\x80\x02cfvcore.common.config\nCfgNode\n)\x81(U\x01aK\x01u}(U\x0d__immutable__\x89ub.",
    );
    let node = root(&objects);
    assert_eq!(node.type_name(), "fvcore.common.config.CfgNode");
    assert_eq!(node.get("a").and_then(Value::as_i64), Some(1));
    let attribute = node.attribute("__immutable__");
    assert_eq!(attribute.and_then(Value::as_bool), Some(false));
    assert!(node.get("__immutable__").is_none());

    let objects = read(b"cargparse\nNamespace\n)\x81}U\x02lrK\x02sb.");
    let lr = root(&objects).attribute("lr");
    assert_eq!(lr.and_then(Value::as_i64), Some(2));
}

#[test]
fn numpys_scalars_are_numbers_under_both_names_of_their_module() {
    for module in ["numpy.core.multiarray", "numpy._core.multiarray"] {
        for (code, order, bytes, value) in [
            ("f8", "<", &b"\x00\x00\x00\x00\x00\x00\xf8\x3f"[..], 1.5),
            ("f4", ">", b"\x3f\xc0\x00\x00", 1.5),
            ("f2", "<", b"\x00\x3e", 1.5),
            ("i2", "<", b"\xfe\xff", -2.0),
            ("u2", "<", b"\xfe\xff", 65_534.0),
            ("u1", "|", b"\xfe", 254.0),
        ] {
            let mut pickle = format!("c{module}\nscalar\ncnumpy\ndtype\n").into_bytes();
            pickle.extend(b"X\x02\x00\x00\x00");
            pickle.extend(code.as_bytes());
            pickle.extend(b"\x89\x88\x87R(K\x03U\x01");
            pickle.extend(order.as_bytes());
            pickle.extend(b"NNNtbC");
            pickle.push(bytes.len() as u8);
            pickle.extend(bytes);
            pickle.extend(b"\x86R.");
            assert_eq!(root(&read(&pickle)).as_f64(), Some(value), "{code}");
        }
    }
}
