// Package stage keeps the prepared work of a task in a hidden folder of the directory that it goes to, so that a rename makes it
// visible:
//
//	DIR/.weir/TASK/open-EPOCH-RANDOM   a file that is being written
//	DIR/.weir/TASK/EPOCH-ID/manifest   the names that the files of a prepared checkpoint get
//	DIR/.weir/TASK/EPOCH-ID/0, 1, ...  these files
//
// Everything of a checkpoint is synced when Prepare returns, the entries of its folders too. The folder of a committed checkpoint is kept
// for a while: it tells a token that was committed before from one that was prepared on another machine.
package stage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/filesink"
	"github.com/weirstreams/weir/sink"
)

const (
	// Root is the hidden folder of a directory.
	Root     = ".weir"
	manifest = "manifest"
	openFile = "open-"
	// keptWork is how many folders of committed checkpoints are kept. The state has the tokens of two at most that are committed.
	keptWork = 8
)

// Area is the folder of a task. It is used by its writer.
type Area struct {
	task  sink.Task
	dir   string
	epoch string
	// committed are the folders of checkpoints that were committed, partial those of preparations that failed.
	committed, partial []string
}

// Open returns the area of a task below a directory.
func Open(base string, task sink.Task) (*Area, error) {
	folder, err := connector.Segment(fmt.Sprintf("%.100s-%d-%s", task.Sink, task.Partition, filesink.Digest(filesink.Identity(task))))
	if err != nil {
		return nil, fmt.Errorf("sink %q: %w", task.Sink, err)
	}
	a := &Area{task: task, dir: filepath.Join(base, Root, folder)}
	return a, MakeDirs(a.dir)
}

// Name tells the task from others that write to the directory.
func (a *Area) Name() string { return filepath.Base(a.dir) }

// Unique returns a short text that names a checkpoint of the task among all checkpoints of all tasks.
func (a *Area) Unique(c sink.Checkpoint) string { return filesink.Unique(a.task, a.dir, c) }

// Recover removes the work of the task that belongs to no token and to no later owner.
func (a *Area) Recover(epoch string, tokens [][]byte) error {
	a.epoch = epoch
	keep := map[string]bool{}
	for _, t := range tokens {
		token, err := filesink.ParseToken(t)
		if err != nil {
			return err
		}
		keep[token.Work] = true
	}
	entries, err := os.ReadDir(a.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		owner, isWork := ownerOf(e.Name())
		if keep[e.Name()] || !isWork || owner > epoch {
			continue
		}
		if err := removeAll(filepath.Join(a.dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// ownerOf returns the epoch in the name of a file or folder.
func ownerOf(name string) (epoch string, isWork bool) {
	return filesink.OwnerOf(strings.TrimPrefix(name, openFile))
}

// Target is a file with the name that a commit gives it, below the directory, with slashes.
type Target struct {
	*File
	Name string
}

// Prepare makes files durable, and returns the token for their commit. After an error it may be called again with the same files.
func (a *Area) Prepare(ctx context.Context, c sink.Checkpoint, files []Target) ([]byte, error) {
	if len(files) == 0 {
		return nil, nil
	}
	work := filesink.WorkOf(c)
	dir := filepath.Join(a.dir, work)
	a.partial = append(a.partial, work)
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	t := filesink.Token{Work: work, First: files[0].Name, Files: len(files)}
	names := make([]string, len(files))
	for i, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		names[i] = f.Name
		if err := f.finish(filepath.Join(dir, fmt.Sprint(i))); err != nil {
			return nil, err
		}
	}
	if err := writeDurable(filepath.Join(dir, manifest), names); err != nil {
		return nil, err
	}
	for _, d := range []string{dir, a.dir} {
		if err := SyncDir(d); err != nil {
			return nil, err
		}
	}
	// The folders of earlier attempts are empty by now.
	for _, p := range a.partial {
		if p != work {
			_ = os.RemoveAll(filepath.Join(a.dir, p))
		}
	}
	a.partial = nil
	return json.Marshal(t)
}

func writeDurable(path string, names []string) error {
	data, err := json.Marshal(names)
	if err != nil {
		return err
	}
	return writeSynced(path, data)
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Replace writes a small file in place of another one, which is there in full until then.
func Replace(path string, data []byte) error {
	if err := writeSynced(path+".new", data); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Work is the prepared work of a token.
type Work struct {
	// Dir is its folder, and Names are the names of its files, which are called 0, 1 and so on.
	Dir   string
	Names []string
}

// Path is the prepared file of a name, and exists unless the file was committed.
func (w *Work) Path(i int) string { return filepath.Join(w.Dir, fmt.Sprint(i)) }

// ErrElsewhere says that the work of a token is not here.
var ErrElsewhere = errors.New("the prepared files are gone: if another machine has prepared them, give all members of the group one directory, " +
	"on a file system that they share; if somebody has deleted them, their records are lost")

// Find returns the work of a token. found is false if its folder is gone: visible says that it was committed long ago, for the name of
// its first file.
func (a *Area) Find(tokenData []byte, visible func(first string) (bool, error)) (w Work, found bool, err error) {
	t, err := filesink.ParseToken(tokenData)
	if err != nil {
		return w, false, err
	}
	w.Dir = filepath.Join(a.dir, t.Work)
	data, err := os.ReadFile(filepath.Join(w.Dir, manifest))
	if errors.Is(err, fs.ErrNotExist) {
		if done, err := visible(t.First); err != nil || done {
			return w, false, err
		}
		return w, false, fmt.Errorf("%s, %d files, the first of them for %s: %w", w.Dir, t.Files, t.First, ErrElsewhere)
	}
	if err != nil {
		return w, false, err
	}
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&w.Names); err != nil {
		return w, false, fmt.Errorf("%s: %w", filepath.Join(w.Dir, manifest), err)
	}
	return w, true, nil
}

// Done notes that the work of a token is visible, and removes work before it that nobody asks for any more.
func (a *Area) Done(w Work) error {
	work := filepath.Base(w.Dir)
	if slices.Contains(a.committed, work) {
		return nil
	}
	a.committed = append(a.committed, work)
	entries, err := os.ReadDir(a.dir)
	if err != nil {
		return err
	}
	// Commits go in the order of checkpoints: earlier work of this owner that is not committed by now never will be.
	for _, e := range entries {
		owner, isWork := ownerOf(e.Name())
		if isWork && e.IsDir() && owner == a.epoch && strings.HasPrefix(work, owner+"-") && e.Name() < work && !slices.Contains(a.committed, e.Name()) {
			if err := removeAll(filepath.Join(a.dir, e.Name())); err != nil {
				return err
			}
		}
	}
	for len(a.committed) > keptWork {
		if err := removeAll(filepath.Join(a.dir, a.committed[0])); err != nil {
			return err
		}
		a.committed = a.committed[1:]
	}
	return nil
}

// removeAll removes a file or folder, which another process may remove too.
func removeAll(path string) error {
	err := os.RemoveAll(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
