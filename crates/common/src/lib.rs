//! What every nightshift tool needs and no tool owns.
