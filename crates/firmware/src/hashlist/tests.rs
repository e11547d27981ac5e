//! Samples of every format, in every encoding, and what is never to be believed.
//! The samples of coreutils are what version 9.1 wrote for a file with the three bytes `abc`.

use proptest::prelude::*;

use super::*;

const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
const SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const SHA512: &str = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

/// Name, text, and the algorithm it uses. Each lists `abc.upg`, with the bytes `abc`.
const SAMPLES: &[(&str, &str, Algorithm)] = &[
    ("md5sum", "900150983cd24fb0d6963f7d28e17f72  abc.upg\n", Algorithm::Md5),
    ("sha1sum", "a9993e364706816aba3e25717850c26c9cd0d89d  abc.upg\n", Algorithm::Sha1),
    (
        "sha256sum",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  abc.upg\n\
         2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881  other.upg\n",
        Algorithm::Sha256,
    ),
    (
        "sha256sum --binary",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad *abc.upg\n",
        Algorithm::Sha256,
    ),
    (
        "sha512sum",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f  abc.upg\n",
        Algorithm::Sha512,
    ),
    (
        "sha256sum --tag",
        "SHA256 (abc.upg) = ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n\
         \\SHA256 (back\\\\slash) = 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\n",
        Algorithm::Sha256,
    ),
    ("md5sum --tag", "MD5 (abc.upg) = 900150983cd24fb0d6963f7d28e17f72\n", Algorithm::Md5),
    (
        "openssl dgst",
        "SHA2-256(./abc.upg)= ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n",
        Algorithm::Sha256,
    ),
    (
        "certutil, English",
        "SHA256 hash of C:\\Users\\me\\Down loads\\abc.upg:\n\
         ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n\
         CertUtil: -hashfile command completed successfully.\n",
        Algorithm::Sha256,
    ),
    (
        "certutil, English, Windows 7",
        "SHA1 hash of file abc.upg:\n\
         a9 99 3e 36 47 06 81 6a ba 3e 25 71 78 50 c2 6c 9c d0 d8 9d\n\
         CertUtil: -hashfile command completed successfully.\n",
        Algorithm::Sha1,
    ),
    (
        "certutil, German",
        "SHA256-Hash von abc.upg:\n\
         ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n\
         CertUtil: -hashfile-Befehl wurde erfolgreich ausgeführt.\n",
        Algorithm::Sha256,
    ),
    (
        "certutil, French",
        "SHA256 hachage de abc.upg :\n\
         ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n\
         CertUtil: -hashfile La commande s’est terminée correctement.\n",
        Algorithm::Sha256,
    ),
    (
        "certutil, Japanese",
        "SHA256 ハッシュ (対象 abc.upg):\n\
         ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n\
         CertUtil: -hashfile コマンドは正常に完了しました。\n",
        Algorithm::Sha256,
    ),
    (
        "certutil, Chinese, two files",
        "SHA512 的 other.upg 哈希:\n\
         00af35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f\n\
         CertUtil: -hashfile 命令成功完成。\n\
         SHA512 的 abc.upg 哈希:\n\
         ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f\n\
         CertUtil: -hashfile 命令成功完成。\n",
        Algorithm::Sha512,
    ),
    (
        "Get-FileHash",
        "\n\
         Algorithm       Hash                                                                   Path\n\
         ---------       ----                                                                   ----\n\
         SHA256          BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD       C:\\My Files\\abc.upg\n\
         SHA256          2D711642B726B04401627CA9FBAC32F5C8530FB1903CC4DB02258717921A4881       C:\\My Files\\other.upg\n\
         \n\n",
        Algorithm::Sha256,
    ),
    (
        "Get-FileHash | Format-List",
        "\n\n\
         Algorithm : SHA256\n\
         Hash      : BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD\n\
         Path      : C:\\My Files\\abc.upg\n\
         \n\
         Algorithm : SHA256\n\
         Hash      : 2D711642B726B04401627CA9FBAC32F5C8530FB1903CC4DB02258717921A4881\n\
         Path      : C:\\My Files\\other.upg\n\
         \n\n",
        Algorithm::Sha256,
    ),
    (
        "Get-FileHash -Algorithm SHA512 | Format-List, wrapped at 80 columns",
        "Algorithm : SHA512\n\
         Hash      : DDAF35A193617ABACC417349AE20413112E6FA4E89A97EA20A9EEEE64B55D39A2192\n            \
                     992A274FC1A836BA3C23A3FEEBBD454D4423643CE80E2A9AC94FA54CA49F\n\
         Path      : C:\\Users\\somebody\\Documents\\Metering\\Substation North\\Firmware\\ab\n            \
                     c.upg\n",
        Algorithm::Sha512,
    ),
    ("bare", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n", Algorithm::Sha256),
    (
        "made by hand",
        "# Firmware 4.40.1\n\n\
         The files of this release:\n\n\
         BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD\t8650/abc.upg   \n",
        Algorithm::Sha256,
    ),
];

fn encodings(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let le = || text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let be = || text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
    vec![
        ("UTF-8", text.as_bytes().to_vec()),
        ("UTF-8 with a mark", [b"\xEF\xBB\xBF", text.as_bytes()].concat()),
        ("UTF-16 LE", le()),
        ("UTF-16 LE with a mark", [b"\xFF\xFE".to_vec(), le()].concat()),
        ("UTF-16 BE", be()),
        ("UTF-16 BE with a mark", [b"\xFE\xFF".to_vec(), be()].concat()),
    ]
}

fn check(list: &HashList, name: &str, bytes: &[u8]) -> Verdict {
    let mut hasher = list.hasher();
    hasher.update(bytes);
    list.check(name, &hasher.finish())
}

#[test]
fn b3_every_format_is_read_in_every_encoding_and_with_either_line_end() {
    for (format, text, algorithm) in SAMPLES {
        for text in [(*text).to_owned(), text.replace('\n', "\r\n"), text.trim_end().to_owned()] {
            for (encoding, bytes) in encodings(&text) {
                let list = HashList::parse(&bytes).unwrap_or_else(|e| panic!("{format}, {encoding}: {e}"));
                let good = Verdict::Good { algorithm: *algorithm };
                assert_eq!(check(&list, "ABC.upg", b"abc"), good, "{format}, {encoding}");
                assert_eq!(check(&list, "/tmp/abc.UPG", b"abc"), good, "{format}, {encoding}");
                assert!(matches!(check(&list, "abc.upg", b"abd"), Verdict::Bad { .. }), "{format}, {encoding}");
                if *format != "bare" {
                    assert_eq!(check(&list, "bc.upg", b"abc"), Verdict::NotListed, "{format}, {encoding}");
                }
                let prose = usize::from(*format == "made by hand");
                assert_eq!(list.unread_lines(), prose, "{format}, {encoding}");
            }
        }
    }
}

#[test]
fn b3_old_algorithms_warn_that_they_do_not_protect_against_tampering() {
    for (digits, warns) in [(MD5, true), (SHA1, true), (SHA256, false), (SHA512, false)] {
        let list = HashList::of_one(digits.parse().unwrap());
        for bytes in [b"abc", b"abd"] {
            let warning = check(&list, "abc.upg", bytes).warning();
            assert_eq!(warning.is_some(), warns, "{digits}");
            assert!(warning.is_none_or(|w| w.to_string().contains("does not protect against tampering")));
        }
    }
    let both = HashList::parse(format!("{MD5}  abc.upg\n{SHA256}  abc.upg\n").as_bytes()).unwrap();
    assert_eq!(check(&both, "abc.upg", b"abc").warning(), None, "SHA-256 says so too");
}

#[test]
fn b3_a_hash_is_checked_without_a_list() {
    let list = HashList::of_one(SHA256.to_uppercase().parse().unwrap());
    assert_eq!(check(&list, "whatever.bin", b"abc"), Verdict::Good { algorithm: Algorithm::Sha256 });
    let bad = check(&list, "whatever.bin", b"");
    assert_eq!(
        bad.to_string(),
        format!(
            "bad: its SHA-256 is e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855, but {SHA256} was published"
        )
    );
}

#[test]
fn b2_a_file_that_is_listed_several_times_must_match_each_time() {
    for wrong in [MD5.replace('9', "8"), SHA256.replace('b', "c"), SHA512.replace('d', "e")] {
        for text in
            [format!("{SHA256}  abc.upg\n{wrong} *old/abc.upg\n"), format!("{wrong}  abc.upg\n{SHA256}  abc.upg\n")]
        {
            let list = HashList::parse(text.as_bytes()).unwrap();
            assert!(matches!(check(&list, "abc.upg", b"abc"), Verdict::Bad { .. }), "{text}");
        }
    }
}

#[test]
fn b2_hashes_that_were_not_computed_make_no_file_good() {
    let list = HashList::of_one(SHA512.parse().unwrap());
    let expected = SHA512.parse().unwrap();
    assert_eq!(list.check("abc.upg", &FileHasher::new([]).finish()), Verdict::Bad { expected, found: None });
}

#[test]
fn b3_a_name_that_the_console_wrapped_is_found_wherever_the_line_ended() {
    for (one, two) in
        [("C:\\x\\My mete", "r 8650.upg"), ("C:\\x\\My", "meter 8650.upg"), ("C:\\x", "\\My meter 8650.upg")]
    {
        let text = format!("Algorithm : SHA256\nHash      : {SHA256}\nPath      : {one}\n            {two}\n");
        let list = HashList::parse(text.as_bytes()).unwrap();
        assert_eq!(check(&list, "my METER 8650.upg", b"abc"), Verdict::Good { algorithm: Algorithm::Sha256 }, "{text}");
        assert_eq!(check(&list, "8650.upg", b"abc"), Verdict::NotListed, "{text}");
    }
}

#[test]
fn bare_hashes_are_read_only_where_they_can_be_of_one_file() {
    assert!(HashList::parse(format!("{MD5}\n{SHA1}\n{SHA256}\n").as_bytes()).is_ok());
    for text in [format!("{SHA256}\n{SHA256}\n"), format!("{SHA256}\n{SHA256}  abc.upg\n")] {
        assert_eq!(HashList::parse(text.as_bytes()), Err(HashListError::Nameless), "{text}");
    }
}

#[test]
fn what_is_no_list_is_refused_in_a_sentence() {
    for (bytes, error) in [
        (b"".to_vec(), HashListError::NoHashes),
        (b"Dear customer,\nplease find enclosed\n".to_vec(), HashListError::NoHashes),
        (format!("{}  abc.upg\n", &SHA256[1..]).into_bytes(), HashListError::NoHashes),
        (format!("SHA3-256 (abc.upg) = {SHA256}\n").into_bytes(), HashListError::NoHashes),
        (format!("SHA256   {SHA256}   C:\\Users\\somebo...\n").into_bytes(), HashListError::NoHashes),
        (b"\x7fELF\x02\x01\x01\0\0\0".to_vec(), HashListError::NotText),
        (vec![b' '; MAX_LIST_BYTES + 1], HashListError::TooLong),
        (format!("{MD5}  a\n").repeat(MAX_ENTRIES + 1).into_bytes(), HashListError::TooManyHashes),
    ] {
        assert_eq!(HashList::parse(&bytes), Err(error));
    }
}

#[test]
fn b1_a_written_list_is_read_back_whatever_the_names() {
    let digest = Sha256Digest::of(b"abc");
    assert_eq!(write_sha256sum(&[("8650_V4.40.1.upg", digest)]), format!("{SHA256}  8650_V4.40.1.upg\n"));
    // As coreutils write them.
    assert_eq!(write_sha256sum(&[("back\\slash", digest)]), format!("\\{SHA256}  back\\\\slash\n"));
    assert_eq!(write_sha256sum(&[("new\nline", digest)]), format!("\\{SHA256}  new\\nline\n"));
}

proptest! {
    #[test]
    fn b1_written_lists_are_read_back(names in prop::collection::vec("[^\0/\\\\]{0,12}[^\0\\s/\\\\*]", 1..5)) {
        let digest = Sha256Digest::of(b"abc");
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), digest)).collect();
        let list = HashList::parse(write_sha256sum(&files).as_bytes()).unwrap();
        for name in &names {
            prop_assert_eq!(check(&list, name, b"abc"), Verdict::Good { algorithm: Algorithm::Sha256 });
        }
    }

    #[test]
    fn parsing_arbitrary_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(list) = HashList::parse(&bytes) {
            let _: Verdict = check(&list, "abc.upg", b"abc");
        }
    }

    #[test]
    fn parsing_a_mutated_sample_never_panics_nor_makes_another_file_good(
        sample in 0..SAMPLES.len(),
        encoding in 0usize..6,
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        end: prop::sample::Index,
    ) {
        let (_, mut bytes) = encodings(SAMPLES[sample].1).swap_remove(encoding);
        for (at, byte) in cuts {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(end.index(bytes.len()) + 1);
        if let Ok(list) = HashList::parse(&bytes) {
            // No mutation turns a published hash into the one of these bytes.
            let verdict = check(&list, "abc.upg", b"another file");
            prop_assert!(!matches!(verdict, Verdict::Good { .. }), "{:?}", verdict);
        }
    }
}
