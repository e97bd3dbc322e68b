//! Living feeds with every habit that spoils ids, told over polls: each article is one record, and each edit one version of it.

mod memory;
mod month;
mod stories;
mod world;
