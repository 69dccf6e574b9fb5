package outbox

import (
	"sync"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
)

// run is the memory of consecutive records of one partition. It has copies of all their bytes. The goroutine of the worker fills it, and
// the producer has it from Send until it releases the records.
type run struct {
	records []broker.Record
	headers []weir.Header // what is left of the slice in use
	arena   []byte        // the block in use
	// outgrown says that records lie in older blocks, too.
	outgrown bool
}

// arenaBytes is the least size of a block that records are copied to. Each further block of a run has twice the size, up to sendBytes.
const arenaBytes = 16 << 10

// add appends a copy of a record.
func (m *run) add(r *broker.Record) {
	// In its place, field by field: a composite literal is built elsewhere and copied.
	m.records = append(m.records, broker.Record{})
	kept := &m.records[len(m.records)-1]
	kept.Key, kept.Value, kept.Headers, kept.Millis = m.copy(r.Key), m.copy(r.Value), m.copyHeaders(r.Headers), r.Millis
}

// copy puts data into the arena. Nil stays nil, and empty stays empty.
func (m *run) copy(data []byte) []byte {
	if data == nil {
		return nil
	}
	if m.arena == nil || len(data) > cap(m.arena)-len(m.arena) {
		m.outgrown = m.outgrown || len(m.arena) > 0
		m.arena = make([]byte, 0, max(arenaBytes, min(2*cap(m.arena), sendBytes), len(data)))
	}
	start := len(m.arena)
	m.arena = append(m.arena, data...)
	return m.arena[start:len(m.arena):len(m.arena)]
}

// copyHeaders copies the slice and the values: both may lie in a fetch buffer.
func (m *run) copyHeaders(headers []weir.Header) []weir.Header {
	if len(headers) == 0 {
		return nil
	}
	start := len(m.headers) // earlier records keep the old slice when append moves to a new one
	for _, h := range headers {
		m.headers = append(m.headers, weir.Header{Key: h.Key, Value: m.copy(h.Value)})
	}
	return m.headers[start:len(m.headers):len(m.headers)]
}

// reset empties the run. It drops references to blocks that are not used again.
func (m *run) reset() {
	if cap(m.arena) > sendBytes { // of a record that is larger than all others
		m.arena, m.outgrown = nil, true
	}
	if m.outgrown {
		clear(m.records)
	}
	clear(m.headers) // their keys are strings of functions
	m.records, m.headers, m.arena, m.outgrown = m.records[:0], m.headers[:0], m.arena[:0], false
}

// freeRuns are empty runs of all outboxes. The garbage collector takes those that wait for too long.
var freeRuns sync.Pool

// newRun returns an empty run. One that is made has room for so many records.
func newRun(records int) *run {
	if r, ok := freeRuns.Get().(*run); ok {
		return r
	}
	return &run{records: make([]broker.Record, 0, records)}
}

// free gives the memory of a run up for use by another one.
func (m *run) free() {
	m.reset()
	freeRuns.Put(m)
}

// lent are the runs that a producer has, by their first record. Any goroutine may call its methods.
type lent struct {
	mu   sync.Mutex
	runs map[*broker.Record]*run // guarded by mu
}

// add notes that the producer has a run, which is not empty.
func (l *lent) add(r *run) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.runs[&r.records[0]] = r
}

// released takes back the records of a run from the producer.
func (l *lent) released(records []broker.Record) {
	l.mu.Lock()
	r := l.runs[&records[0]]
	delete(l.runs, &records[0])
	l.mu.Unlock()
	if r != nil {
		r.free()
	}
}
