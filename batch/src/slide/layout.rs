//! How a view's windows are laid onto rings of tiles.

use std::sync::Arc;

use feat_kernel::agg::Part;
use feat_kernel::time::Micros;
use feat_kernel::view::View;
use feat_kernel::window::{Reach, Window};

/// The layouts of a view: which of them a key gets changes no answer.
#[derive(Clone, Debug)]
pub(crate) struct Layouts {
    /// A ring per hop: what many rows of a tile cost is one update each.
    hops: Arc<Layout>,
    /// One ring, its tiles of one instant each: where tiles would hold little more than a row, closing
    /// one into the next coarser ring, and that into the next, costs more than it saves.
    instants: Arc<Layout>,
}

/// What is seen of the rows of a key before the first of them is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outlook {
    /// How many are at hand.
    pub(crate) rows: usize,
    /// Whether others may follow.
    pub(crate) more: bool,
    /// The time between the first and the last.
    pub(crate) span: Micros,
}

impl Outlook {
    /// Nothing is seen.
    pub(crate) const UNKNOWN: Self = Self { rows: 0, more: true, span: Micros::ZERO };
}

/// A key of more rows gets tiles as long as hops: memory does not grow with its rows, and one that is
/// late is not put before thousands of others.
const FEW: usize = 1 << 10;

/// What [`Layout::kept`] is.
const KEPT: usize = 128;

impl Layouts {
    /// Those of `view`.
    pub(crate) fn new(view: &Arc<View>) -> Self {
        Self {
            hops: Arc::new(Layout::of_hops(Arc::clone(view))),
            instants: Arc::new(Layout::of_instants(Arc::clone(view))),
        }
    }

    /// The one for a key.
    pub(crate) fn of_key(&self, Outlook { rows, more, span }: Outlook) -> &Arc<Layout> {
        if more || rows > FEW {
            return &self.hops;
        }
        // How many tiles would be closed if the rows were spread evenly. Half as many again as there
        // are rows, and instants are the cheaper ones; measured, and no sharp edge.
        let most = rows as i64;
        let tiles: i64 = self.hops.rings.iter().map(|ring| most.min(span.0 / ring.hop.0 + 1)).sum();
        if tiles * 2 > most * 3 { &self.instants } else { &self.hops }
    }
}

/// How a view's windows are laid onto rings: the same for every key.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(super) view: Arc<View>,
    /// Finest hop first; their hops form a chain.
    pub(super) rings: Vec<RingLayout>,
    pub(super) windows: Vec<WindowLayout>,
    /// So many tiles a ring holds whether some window needs them or not: to drop them one by one costs
    /// more.
    pub(super) kept: usize,
}

/// One ring: the hop of its tiles and the cells that they hold.
#[derive(Debug)]
pub(crate) struct RingLayout {
    pub(super) hop: Micros,
    /// Places in the view's cells.
    pub(super) cells: Vec<usize>,
    /// Places in the layout's windows.
    pub(super) windows: Vec<usize>,
    /// No tile further back than this is needed; `None`: all are.
    pub(super) reach: Option<Micros>,
}

/// One window: where its tiles are and which outputs it gives.
#[derive(Debug)]
pub(crate) struct WindowLayout {
    pub(super) window: Window,
    /// The ring; `None` for `over all` without an offset, which is one running state.
    pub(super) ring: Option<usize>,
    /// What it gives.
    pub(super) outputs: Vec<WindowOutput>,
}

/// One output of a window.
#[derive(Debug)]
pub(crate) struct WindowOutput {
    /// Place in the view's cells.
    pub(super) cell: usize,
    /// Place among the view's outputs.
    pub(super) output: usize,
    /// What of the state it is.
    pub(super) part: Part,
}

impl Layout {
    /// Lays the windows of `view` onto rings of their hops.
    pub(super) fn of_hops(view: Arc<View>) -> Self {
        Self::with(view, |window| window.hop)
    }

    /// Lays all windows of `view` onto one ring, whose tiles have the length of an instant.
    pub(super) fn of_instants(view: Arc<View>) -> Self {
        Self::with(view, |_| Micros(1))
    }

    /// Lays each window of `view` onto the ring of `hop`, which divides the window's own.
    fn with(view: Arc<View>, hop: impl Fn(&Window) -> Micros) -> Self {
        let mut hops: Vec<Micros> = view.windows.iter().filter(|w| on_ring(w)).map(&hop).collect();
        hops.sort_unstable();
        hops.dedup();
        let mut rings: Vec<RingLayout> = hops
            .iter()
            .map(|&hop| RingLayout { hop, cells: Vec::new(), windows: Vec::new(), reach: Some(Micros::ZERO) })
            .collect();
        for (at, window) in view.windows.iter().enumerate() {
            let Some(ring) = on_ring(window).then(|| hops.binary_search(&hop(window)).ok()).flatten() else {
                continue;
            };
            let ring = &mut rings[ring];
            ring.windows.push(at);
            ring.cells
                .extend(view.outputs.iter().filter(|output| output.window == at).map(|output| output.cell));
            ring.reach = match (ring.reach, window.reach) {
                (Some(reach), Reach::Length(length)) => Some(
                    reach.max(Micros(length.0.saturating_add(window.offset.0).saturating_add(window.hop.0))),
                ),
                _ => None,
            };
        }
        // A ring's tiles are made of the next finer one's, so the finer must hold every cell above.
        let mut above: Vec<usize> = Vec::new();
        for ring in rings.iter_mut().rev() {
            ring.cells.append(&mut above.clone());
            ring.cells.sort_unstable();
            ring.cells.dedup();
            above.clone_from(&ring.cells);
        }
        let windows = view
            .windows
            .iter()
            .enumerate()
            .map(|(at, window)| {
                let ring = on_ring(window).then(|| hops.binary_search(&hop(window)).ok()).flatten();
                let outputs = view
                    .outputs
                    .iter()
                    .enumerate()
                    .filter(|(_, output)| output.window == at)
                    .map(|(output, found)| WindowOutput { cell: found.cell, output, part: found.part })
                    .collect();
                WindowLayout { window: *window, ring, outputs }
            })
            .collect();
        Self { view, rings, windows, kept: KEPT }
    }
}

/// Whether a window is made of tiles: all but `over all` with a live head.
fn on_ring(window: &Window) -> bool {
    matches!(window.reach, Reach::Length(_)) || window.offset != Micros::ZERO
}
