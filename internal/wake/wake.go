// Package wake has the signal that wakes a goroutine which waits for work.
package wake

// Signal keeps one note that there may be work. The goroutine that waits receives from it. Notes that come before it has looked
// count as one.
type Signal chan struct{}

// New returns a signal without a note.
func New() Signal { return make(Signal, 1) }

// Notify leaves a note, unless there is one. It never blocks, and any goroutine may call it.
func (s Signal) Notify() {
	select {
	case s <- struct{}{}:
	default:
	}
}
