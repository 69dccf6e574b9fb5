package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/internal/stage"
)

// maxParts is the number of files at which a task asks for a checkpoint.
const maxParts = 10_000

// writer writes the files of a task.
type writer[K, V any] struct {
	sink *Sink[K, V]
	task sink.Task
	area *stage.Area
	// open are the files that take records, all are those of the next checkpoint in order, and numbers are how many there are per place.
	open    map[place]*part[K, V]
	all     []*part[K, V]
	numbers map[place]int
	// used counts records, for the file that was not used for the longest time.
	used int64
	// held is the memory of files and encoders.
	held  int64
	since time.Time
	// folders and folder are those of the last record: most have the same.
	folders []string
	folder  string
	last    *part[K, V]
}

// place is where records share a file: a folder and an input partition.
type place struct {
	folder, topic string
	partition     int32
}

// part is a file.
type part[K, V any] struct {
	place
	number  int
	file    *stage.File
	encoder format.Encoder[K, V]
	stream  io.WriteCloser
	// records is their number, from and to the offsets of their input.
	records  int
	from, to int64
	used     int64
	held     int64
	// complete says that the end of the file was written. failed is an error that keeps it from being written.
	complete bool
	failed   error
}

func newWriter[K, V any](s *Sink[K, V], task sink.Task, area *stage.Area) *writer[K, V] {
	return &writer[K, V]{sink: s, task: task, area: area, open: map[place]*part[K, V]{}, numbers: map[place]int{}}
}

func (w *writer[K, V]) Recover(_ context.Context, epoch string, tokens [][]byte) error {
	if err := w.area.Recover(epoch, tokens); err != nil {
		return w.failed("recover", err)
	}
	return nil
}

func (w *writer[K, V]) Add(_ context.Context, r *weir.Record[K, V]) error {
	folder, err := w.folderOf(r)
	if err != nil {
		return err
	}
	at := place{folder, r.Origin.Topic, r.Origin.Partition}
	p := w.last
	if p == nil || p.complete || p.place != at {
		if p, err = w.partOf(at); err != nil {
			return err
		}
	}
	err = p.encoder.Encode(r)
	if errors.Is(err, format.ErrNewFile) && p.records > 0 {
		w.complete(p)
		if p, err = w.partOf(at); err != nil {
			return err
		}
		err = p.encoder.Encode(r)
	}
	if err != nil {
		return err
	}
	w.last = p
	w.used++
	p.used = w.used
	if p.records == 0 || r.Origin.Offset < p.from {
		p.from = r.Origin.Offset
	}
	p.to = max(p.to, r.Origin.Offset+1)
	p.records++
	w.hold(p)
	if w.since.IsZero() && w.sink.options.MaxAge > 0 {
		w.since = w.now()
	}
	if p.file.Size()+p.encoder.Buffered() >= w.sink.options.MaxFileBytes || p.records == w.sink.options.MaxFileRecords {
		w.complete(p)
	}
	return nil
}

func (w *writer[K, V]) now() time.Time {
	if w.task.Now != nil {
		return w.task.Now()
	}
	return time.Now()
}

// folderOf returns the folder of a record as a path.
func (w *writer[K, V]) folderOf(r *weir.Record[K, V]) (string, error) {
	folder := w.sink.options.Folder
	if folder == nil {
		if w.last != nil && w.last.topic == r.Origin.Topic && w.last.partition == r.Origin.Partition {
			return w.last.folder, nil
		}
		folder = byPartition[K, V]
	}
	folders, err := folder(r)
	if err != nil {
		return "", err
	}
	if w.folders != nil && slices.Equal(folders, w.folders) {
		return w.folder, nil
	}
	if w.folder, err = pathOf(folders); err != nil {
		w.folders = nil
		return "", err
	}
	w.folders = append(w.folders[:0:0], folders...)
	return w.folder, nil
}

// hold notes how much memory a file takes.
func (w *writer[K, V]) hold(p *part[K, V]) {
	held := p.file.Pending()
	if p.encoder != nil {
		held += p.encoder.Buffered()
	}
	w.held += held - p.held
	p.held = held
}

// partOf returns the open file of a place.
func (w *writer[K, V]) partOf(at place) (*part[K, V], error) {
	if p := w.open[at]; p != nil {
		return p, nil
	}
	if len(w.open) >= w.sink.options.OpenFiles {
		var oldest *part[K, V]
		for _, p := range w.open {
			if oldest == nil || p.used < oldest.used {
				oldest = p
			}
		}
		w.complete(oldest)
	}
	p := &part[K, V]{place: at, number: w.numbers[at], file: w.area.NewFile()}
	var err error
	if p.stream, err = w.sink.options.Compression.NewWriter(p.file); err != nil {
		return nil, err
	}
	p.encoder = w.sink.options.Format.NewEncoder(p.stream)
	w.numbers[at]++
	w.open[at] = p
	w.all = append(w.all, p)
	return p, nil
}

// complete writes the end of a file. An error is kept for Prepare: it is not one of the record.
func (w *writer[K, V]) complete(p *part[K, V]) {
	if p.complete {
		return
	}
	p.complete = true
	delete(w.open, p.place)
	if w.last == p {
		w.last = nil
	}
	p.failed = p.encoder.Close()
	if err := p.stream.Close(); p.failed == nil {
		p.failed = err
	}
	p.encoder, p.stream = nil, nil
	p.file.Release()
	w.hold(p)
}

func (w *writer[K, V]) Full() bool {
	if w.held >= w.sink.options.HoldBytes || len(w.all) >= maxParts {
		return true
	}
	return !w.since.IsZero() && w.now().Sub(w.since) >= w.sink.options.MaxAge
}

func (w *writer[K, V]) Prepare(ctx context.Context, c sink.Checkpoint) ([]byte, error) {
	var targets []stage.Target
	for _, p := range w.all {
		if p.records == 0 { // its first record was refused
			continue
		}
		w.complete(p)
		if p.failed != nil {
			return nil, fmt.Errorf("sink/file: write the end of a file for %s: %w", path.Join(w.sink.dir, p.folder), p.failed)
		}
		targets = append(targets, stage.Target{File: p.file, Name: w.nameOf(p, c)})
	}
	token, err := w.area.Prepare(ctx, c, targets)
	if err != nil {
		return nil, w.failed("prepare", err)
	}
	w.forget()
	return token, nil
}

// nameOf returns the name that a file gets, below the directory.
func (w *writer[K, V]) nameOf(p *part[K, V], c sink.Checkpoint) string {
	from, to := p.from, p.to
	for _, position := range c.Positions {
		if position.Topic == p.topic && position.Partition == p.partition && position.From < position.To {
			from, to = position.From, position.To
		}
	}
	o := &w.sink.options
	return path.Join(p.folder, fileName(p, from, to, w.area.Unique(c), o.Suffix, o.Replace)+o.Format.Extension()+o.Compression.Extension())
}

func (w *writer[K, V]) Commit(ctx context.Context, token []byte) error {
	work, found, err := w.area.Find(token, func(first string) (bool, error) { return exists(filepath.Join(w.sink.dir, filepath.FromSlash(first))) })
	if err != nil {
		return w.failed("commit", err)
	}
	if !found {
		return nil
	}
	var folders []string
	for i, name := range work.Names {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		target := filepath.Join(w.sink.dir, filepath.FromSlash(name))
		if folder := filepath.Dir(target); !slices.Contains(folders, folder) {
			if err := stage.MakeDirs(folder); err != nil {
				return w.failed("commit", err)
			}
			folders = append(folders, folder)
		}
		if err := w.rename(work.Path(i), target); err != nil {
			return w.failed("commit", err)
		}
	}
	for _, folder := range append(folders, work.Dir) {
		if err := stage.SyncDir(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return w.failed("commit", err)
		}
	}
	if err := w.area.Done(work); err != nil {
		return w.failed("commit", err)
	}
	return nil
}

// rename makes a prepared file visible, unless an earlier commit of the token has done it: then the prepared file is gone.
func (w *writer[K, V]) rename(from, to string) error {
	if !w.sink.options.Replace {
		there, err := exists(to)
		if err != nil {
			return err
		}
		if prepared, err := exists(from); err != nil {
			return err
		} else if there && prepared {
			return fmt.Errorf("%s exists and is not of this sink: move it away", to)
		}
	}
	err := os.Rename(from, to)
	if errors.Is(err, fs.ErrNotExist) {
		if prepared, existsErr := exists(from); existsErr == nil && !prepared {
			return nil
		}
	}
	return err
}

func (w *writer[K, V]) forget() {
	clear(w.open)
	clear(w.numbers)
	clear(w.all)
	w.all, w.last, w.held, w.since = w.all[:0], nil, 0, time.Time{}
}

func (w *writer[K, V]) Discard() {
	for _, p := range w.all {
		if p.stream != nil {
			_ = p.stream.Close() // gives memory of the compression back
		}
		if err := p.file.Remove(); err != nil {
			w.task.Logger.Warn("sink/file: a discarded file stays until the task is opened again", "directory", w.sink.dir, "error", err)
		}
	}
	w.forget()
}

func (w *writer[K, V]) Close() error {
	w.Discard()
	return nil
}

// failed names the directory in an error, and says whether it may pass.
func (w *writer[K, V]) failed(doing string, err error) error {
	return stage.Later(fmt.Errorf("sink/file: directory %s: %s: %w", w.sink.dir, doing, err))
}
