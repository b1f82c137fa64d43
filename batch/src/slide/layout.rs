//! How a view's windows are laid onto rings of tiles.

use std::sync::Arc;

use feat_kernel::agg::Part;
use feat_kernel::time::Micros;
use feat_kernel::view::View;
use feat_kernel::window::{Reach, Window};

/// How a view's windows are laid onto rings: the same for every key.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(super) view: Arc<View>,
    /// Finest hop first; their hops form a chain.
    pub(super) rings: Vec<RingLayout>,
    pub(super) windows: Vec<WindowLayout>,
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
    /// Lays the windows of `view` onto rings.
    pub(crate) fn new(view: Arc<View>) -> Self {
        let mut hops: Vec<Micros> = view.windows.iter().filter(|w| on_ring(w)).map(|w| w.hop).collect();
        hops.sort_unstable();
        hops.dedup();
        let mut rings: Vec<RingLayout> = hops
            .iter()
            .map(|&hop| RingLayout { hop, cells: Vec::new(), windows: Vec::new(), reach: Some(Micros::ZERO) })
            .collect();
        for (at, window) in view.windows.iter().enumerate() {
            let Some(ring) = on_ring(window).then(|| hops.binary_search(&window.hop).ok()).flatten() else {
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
                let ring = on_ring(window).then(|| hops.binary_search(&window.hop).ok()).flatten();
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
        Self { view, rings, windows }
    }
}

/// Whether a window is made of tiles: all but `over all` with a live head.
fn on_ring(window: &Window) -> bool {
    matches!(window.reach, Reach::Length(_)) || window.offset != Micros::ZERO
}
