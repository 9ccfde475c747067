//! What is stored, who uses it, and what has to go first.

use std::collections::{HashMap, HashSet};

use super::disk::{Found, ImageRecord, LayerRecord};
use crate::digest::Digest;

#[derive(Debug, Default)]
pub(super) struct State {
    layers: HashMap<Digest, Layer>,
    images: HashMap<Digest, StoredImage>,
    /// Counts uses.
    uses: u64,
}

#[derive(Debug)]
struct Layer {
    record: LayerRecord,
    /// Pulls that need it; images that have it are not counted.
    pins: usize,
}

#[derive(Debug)]
struct StoredImage {
    record: ImageRecord,
    holders: usize,
    last_use: u64,
}

/// Something that has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Victim {
    Image(Digest),
    Layer(Digest),
}

impl State {
    pub(super) fn new(found: Found) -> Self {
        let mut state = Self::default();
        for (digest, record) in found.layers {
            state.layers.insert(digest, Layer { record, pins: 0 });
        }
        for (digest, record) in found.images {
            state.keep_image(digest, record);
            state.release(digest);
        }
        state
    }

    /// A layer that is there will stay, until [`Self::unpin`].
    pub(super) fn pin(&mut self, layer: Digest) -> Option<LayerRecord> {
        let layer = self.layers.get_mut(&layer)?;
        layer.pins += 1;
        Some(layer.record)
    }

    pub(super) fn unpin(&mut self, layer: Digest) {
        if let Some(layer) = self.layers.get_mut(&layer) {
            layer.pins -= 1;
        }
    }

    /// A layer that was not there, pinned.
    pub(super) fn keep_layer(&mut self, layer: Digest, record: LayerRecord) {
        self.layers.insert(layer, Layer { record, pins: 1 });
    }

    /// An image all of whose layers are there and pinned. It is held until [`Self::release`].
    pub(super) fn keep_image(&mut self, image: Digest, record: ImageRecord) {
        let image = self.images.entry(image).or_insert(StoredImage {
            record,
            holders: 0,
            last_use: 0,
        });
        self.uses += 1;
        image.last_use = self.uses;
        image.holders += 1;
    }

    /// An image that is there will stay, until [`Self::release`].
    pub(super) fn hold(&mut self, image: Digest) -> Option<&ImageRecord> {
        let image = self.images.get_mut(&image)?;
        self.uses += 1;
        image.last_use = self.uses;
        image.holders += 1;
        Some(&image.record)
    }

    pub(super) fn release(&mut self, image: Digest) {
        if let Some(image) = self.images.get_mut(&image) {
            image.holders -= 1;
        }
    }

    pub(super) fn hides_all(&self, layer: Digest) -> bool {
        self.layers
            .get(&layer)
            .is_some_and(|layer| layer.record.hides_all)
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.layers
            .values()
            .map(|layer| layer.record.size_bytes)
            .sum()
    }

    /// Each with what its layers take, those that it shares included, and whether it is in use. The one used last comes
    /// first.
    pub(super) fn images(&self) -> Vec<(Digest, u64, bool)> {
        let mut images: Vec<_> = self.images.iter().collect();
        images.sort_by_key(|(_, image)| std::cmp::Reverse(image.last_use));
        let size = |image: &StoredImage| {
            let layers: HashSet<_> = image.record.layers.iter().collect();
            let layers = layers
                .into_iter()
                .filter_map(|layer| self.layers.get(layer));
            layers.map(|layer| layer.record.size_bytes).sum()
        };
        let line =
            |(digest, image): (&Digest, &StoredImage)| (*digest, size(image), image.holders > 0);
        images.into_iter().map(line).collect()
    }

    /// What to remove next to come below `max_bytes`; nothing if that is so, or all that is left is in use. Layers without
    /// an image, of a pull that failed, go before images.
    pub(super) fn victim(&self, max_bytes: u64) -> Option<Victim> {
        if self.size_bytes() <= max_bytes {
            return None;
        }
        let needed: HashSet<_> = self
            .images
            .values()
            .flat_map(|image| &image.record.layers)
            .collect();
        let free =
            |(digest, layer): &(&Digest, &Layer)| layer.pins == 0 && !needed.contains(digest);
        if let Some((digest, _)) = self.layers.iter().find(free) {
            return Some(Victim::Layer(*digest));
        }
        let unused = self.images.iter().filter(|(_, image)| image.holders == 0);
        let oldest = unused.min_by_key(|(_, image)| image.last_use);
        oldest.map(|(digest, _)| Victim::Image(*digest))
    }

    pub(super) fn forget(&mut self, victim: Victim) {
        match victim {
            Victim::Image(digest) => drop(self.images.remove(&digest)),
            Victim::Layer(digest) => drop(self.layers.remove(&digest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::ImageConfig;

    fn digest(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    fn layer(size_bytes: u64) -> LayerRecord {
        LayerRecord {
            size_bytes,
            unpacked_bytes: size_bytes,
            hides_all: false,
        }
    }

    fn image(layers: &[&str]) -> ImageRecord {
        ImageRecord {
            layers: layers.iter().map(|name| digest(name)).collect(),
            config: ImageConfig::default(),
        }
    }

    /// Removes until it fits; what went, in order.
    fn evict(state: &mut State, max_bytes: u64) -> Vec<Victim> {
        let mut gone = Vec::new();
        while let Some(victim) = state.victim(max_bytes) {
            state.forget(victim);
            gone.push(victim);
        }
        gone
    }

    fn stored() -> State {
        State::new(Found {
            layers: [("base", 10), ("a", 1), ("b", 2), ("orphan", 4)]
                .map(|(name, size)| (digest(name), layer(size)))
                .into(),
            images: vec![
                (digest("A"), image(&["base", "a"])),
                (digest("B"), image(&["base", "b", "base"])),
            ],
        })
    }

    #[test]
    fn what_is_used_least_goes_first_and_shared_layers_stay() {
        let mut state = stored();
        assert_eq!(state.size_bytes(), 17);
        assert_eq!(
            state.images(),
            [(digest("B"), 12, false), (digest("A"), 11, false)]
        );
        assert_eq!(evict(&mut state, 17), []);
        assert_eq!(evict(&mut state, 16), [Victim::Layer(digest("orphan"))]);
        assert_eq!(
            evict(&mut state, 12),
            [Victim::Image(digest("A")), Victim::Layer(digest("a"))]
        );
        let gone = evict(&mut state, 0);
        assert_eq!(gone[0], Victim::Image(digest("B")));
        assert_eq!((gone.len(), state.size_bytes()), (3, 0));
    }

    #[test]
    fn what_is_in_use_stays() {
        let mut state = stored();
        assert!(state.hold(digest("A")).is_some());
        assert!(state.pin(digest("orphan")).is_some());
        assert_eq!(state.pin(digest("none")), None);
        assert_eq!(
            evict(&mut state, 0),
            [Victim::Image(digest("B")), Victim::Layer(digest("b"))]
        );
        state.unpin(digest("orphan"));
        assert_eq!(evict(&mut state, 0), [Victim::Layer(digest("orphan"))]);
        state.release(digest("A"));
        assert_eq!(evict(&mut state, 0).len(), 3);
    }
}
