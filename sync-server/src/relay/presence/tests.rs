//! Who is told what, with time as an argument.

use sync_wire::Blob;

use super::*;

const SPACE: SpaceId = SpaceId([1; 16]);

fn begin() -> (Arc<Rooms>, Instant) {
    (Arc::default(), Instant::now())
}

fn spot(document: u8) -> Spot {
    Spot { space: SPACE, document: DocumentId([document; 16]) }
}

fn participant(number: usize) -> Participant {
    let mut id = [7; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    Participant { account: AccountId([9; 16]), device: DeviceId(id) }
}

/// A session of one participant.
struct Guest {
    seat: Seat,
    bell: Arc<Bell>,
    who: Participant,
}

impl Guest {
    fn new(rooms: &Arc<Rooms>, number: usize) -> Self {
        Self { seat: Seat::new(rooms), bell: Arc::default(), who: participant(number) }
    }

    fn show(&mut self, now: Instant, spot: Spot, content: &str) {
        self.seat.show(now, &self.bell, spot, self.who, Some(content.as_bytes().to_vec().into()));
    }

    fn hide(&mut self, now: Instant, spot: Spot) {
        self.seat.show(now, &self.bell, spot, self.who, None);
    }

    /// What it is told, in short: whose, and what.
    fn told(&self) -> Vec<(DeviceId, Option<String>)> {
        let text = |content: Blob| String::from_utf8(content.to_vec()).unwrap();
        std::iter::from_fn(|| self.seat.take_next()).map(|it| (it.device, it.content.map(text))).collect()
    }

    fn notes(&self) -> usize {
        self.seat.rooms.state().receivers[&self.seat.id.unwrap()].notes()
    }
}

fn is_empty(rooms: &Rooms) -> bool {
    let state = rooms.state();
    state.rooms.is_empty() && state.present.is_empty()
}

#[test]
fn whoever_is_in_a_document_is_shown_the_others_there_and_nothing_elsewhere() {
    let (rooms, now) = begin();
    let [mut ada, mut bob, mut eve] = [1, 2, 3].map(|number| Guest::new(&rooms, number));
    ada.show(now, spot(1), "a");
    eve.show(now, spot(2), "e");
    bob.show(now, spot(1), "b");
    assert_eq!(ada.told(), [(bob.who.device, Some("b".into()))]);
    assert_eq!(bob.told(), [(ada.who.device, Some("a".into()))]);
    assert_eq!(eve.told(), []);
    assert!(ada.bell.take().presence && !eve.bell.take().presence);
    bob.hide(now, spot(1));
    assert_eq!(ada.told(), [(bob.who.device, None)]);
    assert_eq!(bob.told(), [(ada.who.device, None)], "whoever has left is shown nobody");
    ada.show(now, spot(1), "again");
    assert_eq!(bob.told(), []);
}

#[test]
fn a_slow_receiver_finds_the_newest_of_each_and_one_note_a_participant() {
    let (rooms, mut now) = begin();
    let [mut slow, mut ada, mut bob] = [1, 2, 3].map(|number| Guest::new(&rooms, number));
    slow.show(now, spot(1), "");
    for number in 0..1_000 {
        now += Duration::from_millis(200);
        slow.show(now, spot(1), "");
        ada.show(now, spot(1), &format!("a{number}"));
        bob.show(now, spot(1), &format!("b{number}"));
        assert_eq!(slow.notes(), 2);
    }
    let newest = [(ada.who.device, Some("a999".into())), (bob.who.device, Some("b999".into()))];
    assert_eq!(slow.told(), newest);
    ada.show(now, spot(1), "a999");
    assert_eq!(slow.told(), [], "what is shown again is no news");
}

#[test]
fn what_is_not_shown_again_ends_after_thirty_seconds() {
    let (rooms, start) = begin();
    let [mut ada, mut bob] = [1, 2].map(|number| Guest::new(&rooms, number));
    ada.show(start, spot(1), "a");
    bob.show(start, spot(1), "b");
    assert_eq!((ada.told().len(), bob.told().len()), (1, 1));
    let nearly = start + Duration::from_millis(29_999);
    ada.show(nearly, spot(1), "a");
    rooms.sweep(nearly);
    assert_eq!(ada.told(), []);
    rooms.sweep(start + Duration::from_secs(30));
    assert_eq!(ada.told(), [(bob.who.device, None)]);
    assert_eq!(bob.told(), [(ada.who.device, None)], "and is shown nobody any more");
    ada.show(nearly, spot(1), "where is he?");
    assert_eq!(bob.told(), []);
    rooms.sweep(nearly + Duration::from_secs(30));
    assert!(is_empty(&rooms));
}

#[test]
fn a_session_that_ends_leaves_nothing_behind() {
    let (rooms, now) = begin();
    let [mut ada, mut bob] = [1, 2].map(|number| Guest::new(&rooms, number));
    for document in 1..=3 {
        ada.show(now, spot(document), "a");
        bob.show(now, spot(document), "b");
    }
    assert_eq!(ada.told().len(), 3);
    let gone = bob.who.device;
    drop(bob);
    assert_eq!(ada.told(), [(gone, None), (gone, None), (gone, None)]);
    drop(ada);
    assert!(is_empty(&rooms) && rooms.state().receivers.is_empty());
}

#[test]
fn a_taken_space_takes_its_documents_along_and_no_others() {
    let (rooms, now) = begin();
    let [mut ada, mut bob] = [1, 2].map(|number| Guest::new(&rooms, number));
    let elsewhere = Spot { space: SpaceId([2; 16]), ..spot(1) };
    for place in [spot(1), elsewhere] {
        ada.show(now, place, "a");
        bob.show(now, place, "b");
    }
    assert_eq!((ada.told().len(), bob.notes()), (2, 2));
    bob.seat.leave_space(SPACE);
    assert_eq!(ada.told(), [(bob.who.device, None)]);
    assert_eq!(bob.told(), [(ada.who.device, Some("a".into()))], "only of the other");
}

#[test]
fn of_two_connections_of_one_device_the_one_that_spoke_last_counts() {
    let (rooms, now) = begin();
    let [mut ada, mut old, mut new] = [1, 2, 2].map(|number| Guest::new(&rooms, number));
    ada.show(now, spot(1), "a");
    old.show(now, spot(1), "old");
    new.show(now, spot(1), "new");
    assert_eq!(ada.told(), [(new.who.device, Some("new".into()))]);
    assert_eq!((old.told(), new.told().len()), (vec![], 1));
    drop(old);
    assert_eq!(ada.told(), [], "it is still there");
    drop(new);
    assert_eq!(ada.told().len(), 1);
}

#[test]
fn a_document_shows_sixty_four_devices_and_not_one_more() {
    let (rooms, now) = begin();
    let mut guests: Vec<Guest> = (0..PRESENCE_PARTICIPANTS_MAX).map(|number| Guest::new(&rooms, number)).collect();
    guests.iter_mut().for_each(|guest| guest.show(now, spot(1), "here"));
    assert_eq!(guests[0].told().len(), PRESENCE_PARTICIPANTS_MAX - 1);
    let mut late = Guest::new(&rooms, PRESENCE_PARTICIPANTS_MAX);
    late.show(now, spot(1), "late");
    assert_eq!((guests[0].told(), late.told()), (vec![], vec![]));
    drop(guests.pop());
    late.show(now, spot(1), "now");
    assert_eq!(late.told().len(), PRESENCE_PARTICIPANTS_MAX - 1);
}

#[test]
fn a_device_is_in_sixteen_documents_and_not_in_one_more() {
    let (rooms, now) = begin();
    let [mut ada, mut bob] = [1, 2].map(|number| Guest::new(&rooms, number));
    for document in 0..=16 {
        ada.show(now, spot(document), "a");
    }
    bob.show(now, spot(15), "b");
    bob.show(now, spot(16), "b");
    assert_eq!((ada.told().len(), bob.told().len()), (1, 1), "the seventeenth is shown to nobody");
    ada.hide(now, spot(0));
    ada.show(now, spot(16), "a");
    assert_eq!(bob.told().len(), 1);
}

#[test]
fn who_comes_and_goes_unseen_costs_a_slow_receiver_nothing() {
    let (rooms, now) = begin();
    let mut slow = Guest::new(&rooms, 0);
    slow.show(now, spot(1), "");
    let mut seen = Guest::new(&rooms, 1);
    seen.show(now, spot(1), "seen");
    assert_eq!(slow.told().len(), 1);
    for number in 2..10_000 {
        let mut guest = Guest::new(&rooms, number);
        guest.show(now, spot(1), "for a moment");
        assert_eq!(slow.notes(), 1);
    }
    drop(seen);
    assert_eq!(slow.told(), [(participant(1).device, None)]);
}

/// A page with a stream, at `spot`.
fn page(rooms: &Arc<Rooms>, name: &str, spot: Spot) -> Guest {
    let who = Participant::page(AccountId([9; 16]), name);
    let mut guest = Guest { seat: Seat::new(rooms), bell: Arc::default(), who };
    guest.seat.look(&guest.bell, spot, who).unwrap();
    guest
}

#[test]
fn a_page_is_there_as_long_as_its_seat_and_what_it_shows_as_long_as_that_of_a_device() {
    let (rooms, start) = begin();
    let mut ada = Guest::new(&rooms, 1);
    ada.show(start, spot(1), "a");
    let tab = page(&rooms, "tab", spot(1));
    let of_tab = |content: &str| vec![(tab.who.device, Some(content.to_owned()))];
    assert_eq!((tab.told(), ada.told()), (vec![(ada.who.device, Some("a".into()))], of_tab("null")));
    rooms.show_page(start, spot(1), tab.who, Some(b"1".to_vec().into())).unwrap();
    assert_eq!(ada.told(), of_tab("1"));
    let later = start + Duration::from_secs(30);
    ada.show(later, spot(1), "a");
    rooms.sweep(later);
    assert_eq!(ada.told(), of_tab("null"));
    assert_eq!(tab.told(), [], "ada has shown herself again");
    rooms.sweep(later + Duration::from_secs(30));
    assert_eq!(tab.told(), [(ada.who.device, None)], "and a page stays, whoever goes");
    assert!(tab.seat.is_at(spot(1)));
    drop(tab);
    assert!(is_empty(&rooms));
}

#[test]
fn a_page_shows_itself_only_where_it_looks_and_as_often_as_a_device() {
    let (rooms, now) = begin();
    let tab = page(&rooms, "tab", spot(1));
    let show = |spot, who, content: Option<&str>| {
        rooms.show_page(now, spot, who, content.map(|content| content.as_bytes().to_vec().into()))
    };
    assert_eq!(show(spot(2), tab.who, Some("1")), Err(NotShown::Absent));
    assert_eq!(show(spot(1), Participant::page(AccountId([8; 16]), "tab"), Some("1")), Err(NotShown::Absent));
    let shown = (0..100).filter(|_| show(spot(1), tab.who, Some("1")).is_ok()).count();
    assert_eq!((shown, show(spot(1), tab.who, Some("1"))), (32, Err(NotShown::TooFast)));
    assert_eq!(show(spot(1), tab.who, None), Ok(()), "that always goes");
}

#[test]
fn the_newer_seat_of_a_page_takes_its_place_with_what_it_showed() {
    let (rooms, now) = begin();
    let mut ada = Guest::new(&rooms, 1);
    ada.show(now, spot(1), "a");
    let old = page(&rooms, "tab", spot(1));
    rooms.show_page(now, spot(1), old.who, Some(b"1".to_vec().into())).unwrap();
    assert_eq!(ada.told(), [(old.who.device, Some("1".into()))]);
    assert!(old.bell.take().presence);
    let new = page(&rooms, "tab", spot(1));
    assert!(!old.seat.is_at(spot(1)) && new.seat.is_at(spot(1)));
    assert!(old.bell.take().presence, "it does not wait for ever");
    drop(old);
    assert_eq!(ada.told(), [], "nothing is new to others");
    drop(new);
    assert_eq!(ada.told().len(), 1);
}

#[test]
fn pages_and_devices_are_in_as_many_documents_and_as_many_in_one() {
    let (rooms, now) = begin();
    let mut guests: Vec<Guest> = (1..PRESENCE_PARTICIPANTS_MAX).map(|number| Guest::new(&rooms, number)).collect();
    guests.iter_mut().for_each(|guest| guest.show(now, spot(1), "here"));
    let (tab, late) = (page(&rooms, "tab", spot(1)), Participant::page(AccountId([9; 16]), "late"));
    let mut seat = Seat::new(&rooms);
    assert_eq!(seat.look(&Arc::default(), spot(1), late), Err(Full::Document));
    drop(tab);
    assert_eq!(seat.look(&Arc::default(), spot(1), late), Ok(()));
    let places: Vec<Guest> = (2..=16).map(|document| page(&rooms, "late", spot(document))).collect();
    assert_eq!(Seat::new(&rooms).look(&Arc::default(), spot(17), late), Err(Full::Participant));
    drop(places);
    assert_eq!(Seat::new(&rooms).look(&Arc::default(), spot(17), late), Ok(()));
}
