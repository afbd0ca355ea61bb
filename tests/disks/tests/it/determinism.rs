//! A number means one image: the same bytes in another process.

use std::process::Command;

use crash_images::number::IMAGES_OF_STORY;

fn told(number: u64) -> String {
    let args = ["--trace", "--from", &number.to_string()];
    let output = Command::new(env!("CARGO_BIN_EXE_disks")).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_number_is_the_same_image_in_two_processes() {
    // Vault and relay, with a write-ahead log and with a rollback journal.
    for number in [IMAGES_OF_STORY - 2, IMAGES_OF_STORY - 1, 2 * IMAGES_OF_STORY - 2, 2 * IMAGES_OF_STORY - 1] {
        let first = std::thread::spawn(move || told(number));
        let second = told(number);
        assert_eq!(first.join().unwrap(), second);
        assert!(second.contains("digest of its files"), "{second}");
    }
}
