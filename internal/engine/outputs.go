package engine

import "sync"

// OutputLimit stops workers when they have made enough outputs. An output counts when the checkpoint behind it is complete:
// only then do readers of committed records see it, and no rewind takes it back. Workers share it.
type OutputLimit struct {
	limit   int64
	reached chan struct{} // closed when counted is at the limit

	mu sync.Mutex // guards what follows
	// counted are outputs behind a complete checkpoint, pending those that no checkpoint covers yet.
	counted, pending int64
}

// NewOutputLimit returns a limit of n outputs, which is positive.
func NewOutputLimit(n int64) *OutputLimit {
	return &OutputLimit{limit: n, reached: make(chan struct{})}
}

// Reached returns a channel that is closed when enough outputs count. A nil limit is never reached.
func (l *OutputLimit) Reached() <-chan struct{} {
	if l == nil {
		return nil
	}
	return l.reached
}

// add notes outputs that no checkpoint covers yet.
func (l *OutputLimit) add(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending += n
}

// count notes that a checkpoint covers n pending outputs.
func (l *OutputLimit) count(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.counted
	l.pending -= n
	l.counted += n
	if before < l.limit && l.counted >= l.limit {
		close(l.reached)
	}
}

// drop notes that n pending outputs do not count: their records are processed again.
func (l *OutputLimit) drop(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending -= n
}

// enough reports whether the limit is reached if the pending outputs come to count.
func (l *OutputLimit) enough() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counted+l.pending >= l.limit
}

// halted reports whether enough outputs were made: the worker processes nothing more unless some turn out not to count.
func (w *Worker) halted() bool { return w.config.Outputs != nil && w.config.Outputs.enough() }

// noteOutputs adds the outputs that a task has made since the last call to those that no checkpoint covers.
func (w *Worker) noteOutputs(t *task) {
	if n := t.env.Outputs; n > 0 && w.config.Outputs != nil {
		t.env.Outputs = 0
		t.outputs += n
		w.config.Outputs.add(n)
	}
}

// countOutputs counts the outputs of a task, which a checkpoint covers now.
func (w *Worker) countOutputs(t *task) {
	w.noteOutputs(t)
	if t.outputs > 0 {
		w.config.Outputs.count(t.outputs)
		t.outputs = 0
	}
}

// dropOutputs forgets the outputs of a task since the last checkpoint.
func (w *Worker) dropOutputs(t *task) {
	t.env.Outputs = 0
	if t.outputs > 0 {
		w.config.Outputs.drop(t.outputs)
		t.outputs = 0
	}
}
