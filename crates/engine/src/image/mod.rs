//! Images, as far as containers matter to them.

mod users;
