//! What this vault shows, and whom it knows of. Bounded: so many documents of so many devices.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use sync_wire::limits::{PRESENCE_DOCUMENTS_MAX, PRESENCE_LASTS, PRESENCE_PARTICIPANTS_MAX, PRESENCE_PER_SECOND};
use sync_wire::{AccountId, Blob, DeviceId, DocumentId, Presence, ShowPresence, SpaceId};

use super::Present;

/// Where somebody can be.
type Place = (SpaceId, DocumentId);

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Board {
    is_connected: bool,
    shown: BTreeMap<Place, Shown>,
    /// Hidden, and the relay not told yet. It is told before such a place is shown again: only who comes anew is told
    /// of everybody there.
    leaving: BTreeSet<Place>,
    /// Only of documents that are shown.
    others: BTreeMap<Place, BTreeMap<(AccountId, DeviceId), Present>>,
    /// Nothing is said before this: no relay listens to more.
    quiet_until: Duration,
}

#[derive(Debug)]
struct Shown {
    content: Blob,
    /// When it is to be said (again); nothing: now.
    due: Option<Duration>,
    /// Whether the relay was told of this place, on this connection.
    is_said: bool,
}

impl Board {
    /// Whether there is room for it.
    pub(super) fn show(&mut self, place: Place, content: Blob) -> bool {
        if self.shown.len() >= PRESENCE_DOCUMENTS_MAX && !self.shown.contains_key(&place) {
            return false;
        }
        let shown = self.shown.entry(place).or_insert(Shown { content: Blob::default(), due: None, is_said: false });
        if shown.content != content {
            (shown.content, shown.due) = (content, None);
        }
        true
    }

    pub(super) fn hide(&mut self, place: Place) {
        self.others.remove(&place);
        let was_said = self.shown.remove(&place).is_some_and(|shown| shown.is_said);
        if was_said && self.is_connected {
            self.leaving.insert(place);
        }
    }

    pub(super) fn others(&self, place: Place) -> Vec<Present> {
        self.others.get(&place).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    /// There is no connection: nobody is known. The places where somebody was.
    pub(super) fn disconnected(&mut self) -> Vec<Place> {
        self.is_connected = false;
        self.leaving.clear();
        std::mem::take(&mut self.others).into_keys().collect()
    }

    /// The next to be said at `now`, over a connection. `resolve` says how a space is called since the first login.
    pub(super) fn take_due(&mut self, now: Duration, resolve: impl Fn(SpaceId) -> SpaceId) -> Option<ShowPresence> {
        if !std::mem::replace(&mut self.is_connected, true) {
            let shown = std::mem::take(&mut self.shown).into_iter();
            let anew =
                |((space, document), shown)| ((resolve(space), document), Shown { due: None, is_said: false, ..shown });
            self.shown = shown.map(anew).collect();
        }
        if now < self.quiet_until {
            return None;
        }
        let said = self.take_leaving().or_else(|| self.take_shown(now))?;
        self.quiet_until = now + Duration::from_secs(1) / PRESENCE_PER_SECOND;
        Some(said)
    }

    fn take_leaving(&mut self) -> Option<ShowPresence> {
        let (space, document) = self.leaving.pop_first()?;
        Some(ShowPresence { space, document, content: None })
    }

    /// The one that is due longest.
    fn take_shown(&mut self, now: Duration) -> Option<ShowPresence> {
        let (place, shown) = self.shown.iter_mut().min_by_key(|(_, shown)| shown.due)?;
        if shown.due.is_some_and(|due| due > now) {
            return None;
        }
        shown.due = Some(now + PRESENCE_LASTS / 3); // so that two may be lost
        shown.is_said = true;
        let (space, document) = *place;
        Some(ShowPresence { space, document, content: Some(shown.content.clone()) })
    }

    pub(super) fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// In how long something is due; nothing while there is no connection.
    pub(super) fn next_due(&self, now: Duration) -> Option<Duration> {
        if !self.is_connected {
            return None;
        }
        let shown = self.shown.values().map(|shown| shown.due.unwrap_or_default());
        let leaving = self.leaving.iter().map(|_| Duration::ZERO);
        let due = shown.chain(leaving).min()?;
        Some(due.max(self.quiet_until).saturating_sub(now))
    }

    /// Whether what is known changed.
    pub(super) fn take_in(&mut self, presence: Presence, unix_seconds: i64) -> bool {
        let Presence { space, document, account, device, content } = presence;
        let place = (space, document);
        if !self.shown.contains_key(&place) {
            return false;
        }
        let (others, who) = (self.others.entry(place).or_default(), (account, device));
        let Some(content) = content else { return others.remove(&who).is_some() };
        // A relay is not believed: not that it keeps to the limits, nor that hosts send JSON.
        let content = serde_json::from_slice(&content).unwrap_or(Value::Null);
        if others.len() >= PRESENCE_PARTICIPANTS_MAX && !others.contains_key(&who) {
            return false;
        }
        let before = others.get(&who);
        let is_news = before.is_none_or(|before| before.content != content);
        let since_unix_seconds = before.map_or(unix_seconds, |before| before.since_unix_seconds);
        others.insert(who, Present { account, device, content, since_unix_seconds });
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACE: SpaceId = SpaceId([1; 16]);

    fn place(document: u8) -> Place {
        (SPACE, DocumentId([document; 16]))
    }

    fn content(text: &str) -> Blob {
        text.as_bytes().to_vec().into()
    }

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// What is said at a time: in which document, and what.
    fn said(board: &mut Board, now: f64) -> Option<(u8, Option<String>)> {
        let said = board.take_due(seconds(now), |space| space)?;
        let text = |content: Blob| String::from_utf8(content.to_vec()).unwrap();
        Some((said.document.0[0], said.content.map(text)))
    }

    fn of(document: u8, device: u8, content: Option<&str>) -> Presence {
        Presence {
            space: SPACE,
            document: DocumentId([document; 16]),
            account: AccountId([9; 16]),
            device: DeviceId([device; 16]),
            content: content.map(self::content),
        }
    }

    #[test]
    fn what_is_shown_is_said_ten_times_a_second_at_most_and_renewed_until_it_is_hidden() {
        let mut board = Board::default();
        assert_eq!(board.next_due(seconds(1.0)), None, "there is no connection");
        board.show(place(1), content("1"));
        assert_eq!(said(&mut board, 1.0), Some((1, Some("1".into()))));
        for number in 2..50 {
            board.show(place(1), content(&number.to_string()));
            assert_eq!(said(&mut board, 1.05), None, "too soon");
        }
        assert_eq!(board.next_due(seconds(1.05)), Some(Duration::from_millis(50)));
        assert_eq!(said(&mut board, 1.1), Some((1, Some("49".into()))), "the newest");
        assert_eq!(said(&mut board, 11.0), None);
        assert_eq!(board.next_due(seconds(11.0)), Some(Duration::from_millis(100)));
        assert_eq!(said(&mut board, 11.1), Some((1, Some("49".into()))), "again, in time");
        board.hide(place(1));
        assert_eq!(said(&mut board, 11.2), Some((1, None)));
        assert_eq!((said(&mut board, 99.0), board.next_due(seconds(99.0))), (None, None));
    }

    #[test]
    fn what_was_hidden_before_it_was_said_is_not_said_to_be_gone() {
        let mut board = Board::default();
        assert_eq!(said(&mut board, 1.0), None);
        for _ in 0..1_000 {
            board.show(place(1), content("1"));
            board.hide(place(1));
        }
        assert_eq!((said(&mut board, 2.0), board.leaving.len()), (None, 0));
    }

    #[test]
    fn what_was_hidden_and_is_shown_again_leaves_and_comes_anew() {
        let mut board = Board::default();
        board.show(place(1), content("1"));
        assert_eq!(said(&mut board, 1.0), Some((1, Some("1".into()))));
        board.hide(place(1));
        board.show(place(1), content("1"));
        assert_eq!(said(&mut board, 1.1), Some((1, None)), "so that it is told of everybody again");
        assert_eq!(said(&mut board, 1.2), Some((1, Some("1".into()))));
        board.hide(place(1));
        board.show(place(1), content("2"));
        board.hide(place(1));
        assert_eq!(said(&mut board, 1.3), Some((1, None)), "the relay is told, though the second was not said");
        assert_eq!((said(&mut board, 1.4), board.leaving.len()), (None, 0));
    }

    #[test]
    fn a_lost_connection_makes_everybody_unknown_and_the_next_one_shows_everything_anew() {
        let mut board = Board::default();
        board.show(place(1), content("1"));
        said(&mut board, 1.0);
        assert!(board.take_in(of(1, 7, Some(r#"{"line":3}"#)), 50));
        assert_eq!(board.disconnected(), [place(1)]);
        assert_eq!((board.others(place(1)), board.disconnected()), (vec![], vec![]));
        assert_eq!(said(&mut board, 2.0), Some((1, Some("1".into()))));
    }

    #[test]
    fn the_first_login_calls_the_space_otherwise() {
        let (mut board, personal) = (Board::default(), SpaceId([2; 16]));
        board.show(place(1), content("1"));
        let said = board.take_due(seconds(1.0), |_| personal).unwrap();
        assert_eq!(said.space, personal);
        assert!(board.take_in(Presence { space: personal, ..of(1, 7, Some("2")) }, 50));
        assert_eq!(board.others((personal, DocumentId([1; 16]))).len(), 1);
    }

    #[test]
    fn others_are_known_only_where_one_is_shown_and_until_they_are_gone() {
        let mut board = Board::default();
        assert!(!board.take_in(of(1, 7, Some("1")), 50));
        board.show(place(1), content("null"));
        assert!(board.take_in(of(1, 7, Some("1")), 50));
        assert!(!board.take_in(of(1, 7, Some("1")), 51), "that is no news");
        assert!(board.take_in(of(1, 7, Some("no JSON")), 52));
        let known = board.others(place(1));
        assert_eq!((known.len(), &known[0].content, known[0].since_unix_seconds), (1, &Value::Null, 50));
        assert!(board.take_in(of(1, 7, None), 53) && !board.take_in(of(1, 7, None), 54));
        assert_eq!(board.others(place(1)), []);
    }

    #[test]
    fn presence_is_shown_in_sixteen_documents_and_of_sixty_four_devices_at_most() {
        let mut board = Board::default();
        assert!((0..16).all(|document| board.show(place(document), content("1"))));
        assert!(!board.show(place(16), content("1")) && board.show(place(15), content("2")));
        board.hide(place(0));
        assert!(board.show(place(16), content("1")));
        let known = (0..100).filter(|device| board.take_in(of(1, *device, Some("1")), 50)).count();
        assert_eq!((known, board.others(place(1)).len()), (64, 64), "a relay that tells of more is not believed");
    }
}
