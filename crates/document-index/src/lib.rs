//! What documents are found by, and how: the same for a vault, which has one person's documents, and for a relay, which
//! has everybody's.
//!
//! A host has a table of documents and calls its columns what it likes ([`Host`]); beside it are the tables of this
//! crate: `indexes` (what is declared), `fields` (values in their order), `words` (texts, in FTS5), and one with what a
//! list shows. All of it is derived. When something is taken in, the host decides; here is how it is kept and found.

mod content; // start here: what is kept of a document
mod text; // texts as they are indexed and shown

mod index; // the tables
mod answer; // what an answer has of a document
mod difference; // from one answer to the next
mod live; // a page that is kept current

pub use answer::{Found, Page};
pub use content::{Content, DeclaredIndex, Texts, content_of};
pub use difference::Difference;
pub use index::find::{Among, Ask, Enough, FoundRow};
pub use index::{Host, Index};
pub use live::{Entry, Kept, LivePage, order};
pub use text::{Mark, Snippet};
