// Package serving lets other goroutines than the workers read the stores of a process, and finds the members that have those of others.
package serving

import (
	"errors"
	"sync"

	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/state"
)

// Tasks are the open tasks of the workers of a process. Workers report them; any goroutine reads their stores. A nil Tasks takes reports and
// keeps none.
type Tasks struct {
	mu   sync.RWMutex // guards open
	open map[string]*source
}

// source is the database of a task. One without a backend is not complete yet.
type source struct {
	backend state.Backend
	// prefixes are those of the rows of the stores, by name.
	prefixes map[string][]byte
}

// NewTasks returns an empty set of tasks.
func NewTasks() *Tasks { return &Tasks{open: map[string]*source{}} }

// Restoring reports a task that is open, and whose stores are not complete yet.
func (t *Tasks) Restoring(task string) { t.set(task, &source{}) }

// Serve reports that the stores of a task are complete: its database is at a checkpoint from now on. prefixes are those of the rows of the
// stores, by name.
func (t *Tasks) Serve(task string, backend state.Backend, prefixes map[string][]byte) {
	t.set(task, &source{backend, prefixes})
}

// Gone reports that a task is about to be closed. Reads that have begun go on until its database is closed, which waits for them.
func (t *Tasks) Gone(task string) { t.set(task, nil) }

func (t *Tasks) set(task string, s *source) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if s == nil {
		delete(t.open, task)
		return
	}
	t.open[task] = s
}

var (
	// errNotOpen says that the task is not open in this process.
	errNotOpen = errors.New("the task is not open")
	// errRestoring says that the task is open, and its stores are not complete.
	errRestoring = errors.New("the task is not restored")
)

// Page is a page of rows, and the input that they reflect.
type Page struct {
	Rows []state.StoredRow
	// Next is the From of the next page, or nil.
	Next []byte
	// Position are the next offsets of the input topics that the rows reflect.
	Position map[string]int64
}

// read reads a page of rows of a store of a task, with all changes up to the last checkpoint.
func (t *Tasks) read(task, store string, rows state.Rows) (page Page, err error) {
	t.mu.RLock()
	s := t.open[task]
	t.mu.RUnlock()
	switch {
	case s == nil:
		return page, errNotOpen
	case s.backend == nil:
		return page, errRestoring
	}
	err = s.backend.Read(func(r state.Reader) error {
		if page.Position, err = database.Inputs(r); err != nil {
			return err
		}
		prefix, ok := s.prefixes[store]
		if !ok {
			return nil // behind a topic that has fewer partitions than others of the task
		}
		page.Rows, page.Next, err = state.ReadRows(r, prefix, rows)
		return err
	})
	if errors.Is(err, state.ErrClosed) {
		return page, errNotOpen
	}
	return page, err
}
