package runtime

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/weirstreams/weir"
)

// recentEvents is how many checkpoints and failures an App remembers.
const recentEvents = 50

// longestError is how much of the text of an error an App remembers, in bytes.
const longestError = 2000

// recent has the last events of an App. Any goroutine may call its methods.
type recent struct {
	mu          sync.Mutex
	checkpoints []Checkpoint // oldest first, like failures
	failures    []RecordFailure
	made        map[int]time.Time // the ends of the last checkpoints that were made, by worker
	failed      map[operatorPlace]int64
	flushes     map[string]SinkStatus
}

// operatorPlace names an operator as errors do.
type operatorPlace struct{ node, site string }

func keep[E any](events []E, e E) []E {
	if len(events) >= recentEvents {
		events = append(events[:0], events[len(events)-recentEvents+1:]...)
	}
	return append(events, e)
}

func (r *recent) checkpoint(c Checkpoint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checkpoints = keep(r.checkpoints, c)
	if c.Err == nil {
		if r.made == nil {
			r.made = map[int]time.Time{}
		}
		r.made[c.Worker] = c.Began.Add(c.Took)
	}
}

// into sets the events of an Inspection, and returns the failures of operators and the flushes of sinks.
func (r *recent) into(in *Inspection) (failed map[operatorPlace]int64, flushes map[string]SinkStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in.Checkpoints, in.Failures = slices.Clone(r.checkpoints), slices.Clone(r.failures)
	slices.Reverse(in.Checkpoints)
	slices.Reverse(in.Failures)
	return maps.Clone(r.failed), maps.Clone(r.flushes)
}

// lastCheckpoints returns the ends of the last checkpoints that were made, by worker.
func (r *recent) lastCheckpoints() map[int]time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.made)
}

// failure notes a record that could not be processed.
func (r *recent) failure(e *weir.ProcessingError, action weir.ErrorAction) {
	r.note(e, action.String())
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		r.failed = map[operatorPlace]int64{}
	}
	r.failed[operatorPlace{e.Node, e.Site}]++
}

// dropped notes a record that an operator leaves out without an error.
func (r *recent) dropped(_ string, e *weir.ProcessingError) { r.note(e, "drop") }

func (r *recent) note(e *weir.ProcessingError, action string) {
	text := e.Err.Error()
	if len(text) > longestError {
		text = text[:longestError] + "…"
	}
	f := RecordFailure{
		At: time.Now(), Topic: e.Topic, Partition: e.Partition, Offset: e.Offset, Operator: e.Node, Site: e.Site, Stage: e.Stage, Action: action, Error: text,
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = keep(r.failures, f)
}

func (r *recent) flush(sink string, took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flushes == nil {
		r.flushes = map[string]SinkStatus{}
	}
	s := r.flushes[sink]
	s.Flushes++
	s.LastFlush, s.Took, s.Error = time.Now(), took, ""
	if err != nil {
		s.Failed++
		s.Error = err.Error()
	}
	r.flushes[sink] = s
}
