//! Records in slots, under numbers that name no two of them.

const INDEX_BITS: u32 = 28;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;
/// The highest bit of a number stays free, for who has to tell numbers of several kinds apart.
const GENERATION_MASK: u64 = (1 << (63 - INDEX_BITS)) - 1;

/// Records in a table. A number is the place in the table and how often that place was used, so that it is found without
/// hashing and never mistaken. The place alone serves inside of a machine, for as long as the record is certainly there.
#[derive(Debug)]
pub(crate) struct Numbered<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u64,
    record: Option<T>,
}

impl<T> Numbered<T> {
    /// One that holds nothing.
    pub(crate) fn new() -> Self {
        Numbered { entries: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Adds a record and gives its place.
    #[inline]
    pub(crate) fn insert(&mut self, record: T) -> usize {
        let place = match self.free.pop() {
            Some(place) => place as usize,
            None => {
                debug_assert!((self.entries.len() as u64) < INDEX_MASK, "more records than memory holds");
                self.entries.push(Entry { generation: 0, record: None });
                self.entries.len() - 1
            }
        };
        self.entries[place].record = Some(record);
        self.renumber(place);
        place
    }

    /// Gives the record at a place another number; the one before is no record's any more.
    #[inline]
    pub(crate) fn renumber(&mut self, place: usize) {
        let entry = &mut self.entries[place];
        entry.generation = (entry.generation + 1) & GENERATION_MASK;
    }

    /// The number of the record at a place.
    #[inline]
    pub(crate) fn number_of(&self, place: usize) -> u64 {
        (self.entries[place].generation << INDEX_BITS) | place as u64
    }

    /// Where the record of that number is, while it has it.
    #[inline]
    pub(crate) fn place_of(&self, number: u64) -> Option<usize> {
        let place = (number & INDEX_MASK) as usize;
        let entry = self.entries.get(place)?;
        (entry.generation == number >> INDEX_BITS && entry.record.is_some()).then_some(place)
    }

    #[inline]
    pub(crate) fn get(&self, place: usize) -> Option<&T> {
        self.entries.get(place)?.record.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.entries.get_mut(place)?.record.as_mut()
    }

    pub(crate) fn remove(&mut self, place: usize) -> Option<T> {
        let record = self.entries.get_mut(place)?.record.take()?;
        self.renumber(place);
        self.free.push(place as u32);
        Some(record)
    }

    /// All records with their places, by place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.entries.iter().enumerate().filter_map(|(place, entry)| Some((place, entry.record.as_ref()?)))
    }
}

/// A place that is certainly taken: a machine keeps it only as long as the record is there.
impl<T> std::ops::Index<usize> for Numbered<T> {
    type Output = T;
    #[inline]
    fn index(&self, place: usize) -> &T {
        self.get(place).expect("the record is there")
    }
}

impl<T> std::ops::IndexMut<usize> for Numbered<T> {
    #[inline]
    fn index_mut(&mut self, place: usize) -> &mut T {
        self.get_mut(place).expect("the record is there")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_names_one_record() {
        let mut table = Numbered::new();
        let place = table.insert('a');
        let first = table.number_of(place);
        assert_eq!(table.place_of(first), Some(place));
        table.renumber(place);
        assert_eq!(table.place_of(first), None, "the same record under another number");
        assert_eq!(table[place], 'a');
        let second = table.number_of(place);
        assert_eq!(table.remove(place), Some('a'));
        assert_eq!((table.place_of(second), table.len()), (None, 0));
        let again = table.insert('b');
        assert_eq!(again, place, "the place is used again");
        assert!(![first, second].contains(&table.number_of(again)));
        assert_eq!(table.remove(7), None);
    }
}
