package csv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/weirstreams/weir/internal/filelock"
	"github.com/weirstreams/weir/sink/internal/stage"
)

// ledger says how much of the file counts, and which checkpoints it has. It lies beside the file, and is replaced before and after each
// append. One process at a time has it, by a lock.
type ledger struct {
	// Size is the number of bytes that count.
	Size int64 `json:"size"`
	// Pending is the length of an append that was begun. The bytes behind Size are then a part of it.
	Pending int64 `json:"pending,omitempty"`
	// Tasks has the last committed work of each task.
	Tasks map[string][]string `json:"tasks"`
}

// keptWork is how many committed checkpoints of a task the ledger names. The state has the tokens of two at most that are committed.
const keptWork = 8

// lockPoll is how often a held lock is tried again.
const lockPoll = 5 * time.Millisecond

// target is the file with its ledger.
type target struct {
	path, lockPath, ledgerPath string
	header                     string
}

func targetOf(path, header string) target {
	hidden := filepath.Join(filepath.Dir(path), stage.Root, filepath.Base(path))
	return target{path: path, lockPath: hidden + ".lock", ledgerPath: hidden + ".ledger", header: header}
}

// locked calls f while no other process and no other task uses the file.
func (t *target) locked(ctx context.Context, f func() error) (failure error) {
	lock, err := os.OpenFile(t.lockPath, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer func() { failure = errors.Join(failure, lock.Close()) }()
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		held, err := filelock.TryLock(lock)
		if err != nil {
			return err
		}
		if held {
			return f()
		}
		select {
		case <-ctx.Done():
		case <-poll.C:
		}
	}
}

func (t *target) read() (l ledger, err error) {
	data, err := os.ReadFile(t.ledgerPath)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.Size = -1 // a file that is there already counts as it is
	case err != nil:
		return l, err
	default:
		if err := json.NewDecoder(bytes.NewReader(data)).Decode(&l); err != nil {
			return l, fmt.Errorf("%s is damaged: %w", t.ledgerPath, err)
		}
	}
	if l.Tasks == nil {
		l.Tasks = map[string][]string{}
	}
	return l, nil
}

func (t *target) write(l ledger) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return stage.Replace(t.ledgerPath, data)
}

// append adds the work of a task to the file, unless it has it. It runs with the lock.
func (t *target) append(task, work, segment string) (failure error) {
	l, err := t.read()
	if err != nil || slices.Contains(l.Tasks[task], work) {
		return err
	}
	part, err := os.Open(segment)
	if err != nil {
		return err
	}
	defer part.Close()
	out, err := os.OpenFile(t.path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer func() { failure = errors.Join(failure, out.Close()) }()
	if err := t.settle(out, &l); err != nil {
		return err
	}
	info, err := part.Stat()
	if err != nil {
		return err
	}
	before, err := t.before(out, l.Size)
	if err != nil {
		return err
	}
	l.Pending = int64(len(before)) + info.Size()
	if err := t.write(l); err != nil {
		return err
	}
	if _, err := io.Copy(io.NewOffsetWriter(out, l.Size), io.MultiReader(bytes.NewReader(before), part)); err != nil {
		return err
	}
	if err := out.Sync(); err != nil {
		return err
	}
	if l.Size == 0 {
		if err := stage.SyncDir(filepath.Dir(t.path)); err != nil {
			return err
		}
	}
	l.Size, l.Pending = l.Size+l.Pending, 0
	done := append(l.Tasks[task], work)
	l.Tasks[task] = done[max(0, len(done)-keptWork):]
	return t.write(l)
}

// settle takes an append back that was not finished, and checks the file for changes by other programs.
func (t *target) settle(out *os.File, l *ledger) error {
	info, err := out.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	switch {
	case l.Size < 0: // it was there before the sink
		l.Size = size
	case size == 0: // somebody has emptied or removed it, to begin anew
		l.Size = 0
	case size < l.Size:
		return fmt.Errorf("the file has %d bytes, and %d were written: somebody has shortened it; move it away, and a new one is begun", size, l.Size)
	case size > l.Size && size <= l.Size+l.Pending:
		if err := out.Truncate(l.Size); err != nil {
			return err
		}
	case size > l.Size && l.Pending > 0:
		return fmt.Errorf("the file has %d bytes behind an append that was not finished at byte %d: somebody else has written to it; move it away, "+
			"and a new one is begun", size-l.Size-l.Pending, l.Size)
	default: // others have added lines
		l.Size = size
	}
	l.Pending = 0
	return nil
}

// before returns the bytes that must precede the next lines: the header of an empty file, or a line end that others have left out.
func (t *target) before(out *os.File, size int64) ([]byte, error) {
	if size == 0 {
		return []byte(t.header), nil
	}
	last := make([]byte, 1)
	if _, err := out.ReadAt(last, size-1); err != nil {
		return nil, err
	}
	if last[0] != '\n' {
		return []byte("\n"), nil
	}
	return nil, nil
}

// has reports whether the file has the work of a task.
func (t *target) has(task, work string) (bool, error) {
	l, err := t.read()
	return slices.Contains(l.Tasks[task], work), err
}

// check compares the header of a file that is there with that of the sink.
func (t *target) check() (failure error) {
	f, err := os.Open(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { failure = errors.Join(failure, f.Close()) }()
	first := make([]byte, len(t.header))
	n, err := io.ReadFull(f, first)
	if n > 0 && string(first[:n]) != t.header {
		return fmt.Errorf("the file begins with %q, and the columns of the sink are %q: choose another file, or the columns of this one", first[:n], t.header)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return err
}
