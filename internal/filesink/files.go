// Package filesink divides the records of a task into files: by folder and input partition, up to a size, with names after their offsets. The
// sinks of files and of objects write these files.
package filesink

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/sink"
)

// maxFiles is the number of files at which a task asks for a checkpoint.
const maxFiles = 10_000

// Content is the content of a file that is being written, in memory or on a disk. Writing to it never fails.
type Content interface {
	io.Writer
	// Size is the number of bytes of the content, and Pending that of bytes in memory.
	Size() int64
	Pending() int64
	// Release is called when the content is complete: it gives memory back, as far as it can.
	Release()
	// Remove forgets the content.
	Remove() error
}

// Named is a complete file with its name below the directory, with slashes.
type Named[C Content] struct {
	Content C
	Name    string
}

// Files are the files of the next checkpoint of a task. It is used by one goroutine at a time.
type Files[K, V any, C Content] struct {
	options    Options[K, V]
	now        func() time.Time
	newContent func() C
	maxFolder  int
	// open are the files that take records, all are those of the next checkpoint in order, and numbers are how many there are per place.
	open    map[place]*file[K, V, C]
	all     []*file[K, V, C]
	numbers map[place]int
	// used counts records, for the file that was not used for the longest time.
	used int64
	// held is the memory of files and encoders.
	held  int64
	since time.Time
	// folders and folder are those of the last record: most have the same.
	folders []string
	folder  string
	last    *file[K, V, C]
}

// place is where records share a file: a folder and an input partition.
type place struct {
	folder, topic string
	partition     int32
}

// file is a file of the next checkpoint.
type file[K, V any, C Content] struct {
	place
	number  int
	content C
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

// New returns the files of a task, without any. maxFolder is the greatest length of a folder in bytes; 0 means that of local file systems.
func New[K, V any, C Content](options Options[K, V], now func() time.Time, maxFolder int, newContent func() C) *Files[K, V, C] {
	if now == nil {
		now = time.Now
	}
	if maxFolder == 0 {
		maxFolder = maxLocalFolder
	}
	return &Files[K, V, C]{
		options: options, now: now, newContent: newContent, maxFolder: maxFolder,
		open: map[place]*file[K, V, C]{}, numbers: map[place]int{},
	}
}

// Add writes a record to the file of its place. An error is one of the record.
func (f *Files[K, V, C]) Add(r *weir.Record[K, V]) error {
	folder, err := f.folderOf(r)
	if err != nil {
		return err
	}
	at := place{folder, r.Origin.Topic, r.Origin.Partition}
	p := f.last
	if p == nil || p.complete || p.place != at {
		if p, err = f.fileOf(at); err != nil {
			return err
		}
	}
	err = p.encoder.Encode(r)
	if errors.Is(err, format.ErrNewFile) && p.records > 0 {
		f.complete(p)
		if p, err = f.fileOf(at); err != nil {
			return err
		}
		err = p.encoder.Encode(r)
	}
	if err != nil {
		return err
	}
	f.last = p
	f.used++
	p.used = f.used
	if p.records == 0 || r.Origin.Offset < p.from {
		p.from = r.Origin.Offset
	}
	p.to = max(p.to, r.Origin.Offset+1)
	p.records++
	f.hold(p)
	if f.since.IsZero() && f.options.MaxAge > 0 {
		f.since = f.now()
	}
	if p.content.Size()+p.encoder.Buffered() >= f.options.MaxFileBytes || p.records == f.options.MaxFileRecords {
		f.complete(p)
	}
	return nil
}

// folderOf returns the folder of a record as a path.
func (f *Files[K, V, C]) folderOf(r *weir.Record[K, V]) (string, error) {
	folder := f.options.Folder
	if folder == nil {
		if f.last != nil && f.last.topic == r.Origin.Topic && f.last.partition == r.Origin.Partition {
			return f.last.folder, nil
		}
		folder = byPartition[K, V]
	}
	folders, err := folder(r)
	if err != nil {
		return "", err
	}
	if f.folders != nil && slices.Equal(folders, f.folders) {
		return f.folder, nil
	}
	if f.folder, err = folderPath(folders, f.maxFolder); err != nil {
		f.folders = nil
		return "", err
	}
	f.folders = append(f.folders[:0:0], folders...)
	return f.folder, nil
}

// hold notes how much memory a file takes.
func (f *Files[K, V, C]) hold(p *file[K, V, C]) {
	held := p.content.Pending()
	if p.encoder != nil {
		held += p.encoder.Buffered()
	}
	f.held += held - p.held
	p.held = held
}

// fileOf returns the open file of a place.
func (f *Files[K, V, C]) fileOf(at place) (*file[K, V, C], error) {
	if p := f.open[at]; p != nil {
		return p, nil
	}
	if len(f.open) >= f.options.OpenFiles {
		var oldest *file[K, V, C]
		for _, p := range f.open {
			if oldest == nil || p.used < oldest.used {
				oldest = p
			}
		}
		f.complete(oldest)
	}
	p := &file[K, V, C]{place: at, number: f.numbers[at], content: f.newContent()}
	var err error
	if p.stream, err = f.options.Compression.NewWriter(p.content); err != nil {
		return nil, err
	}
	p.encoder = f.options.Format.NewEncoder(p.stream)
	f.numbers[at]++
	f.open[at] = p
	f.all = append(f.all, p)
	return p, nil
}

// complete writes the end of a file. An error is kept for Complete: it is not one of the record.
func (f *Files[K, V, C]) complete(p *file[K, V, C]) {
	if p.complete {
		return
	}
	p.complete = true
	delete(f.open, p.place)
	if f.last == p {
		f.last = nil
	}
	p.failed = p.encoder.Close()
	if err := p.stream.Close(); p.failed == nil {
		p.failed = err
	}
	p.encoder, p.stream = nil, nil
	p.content.Release()
	f.hold(p)
}

// Full reports whether the task should have a checkpoint soon.
func (f *Files[K, V, C]) Full() bool {
	if f.held >= f.options.HoldBytes || len(f.all) >= maxFiles {
		return true
	}
	return !f.since.IsZero() && f.now().Sub(f.since) >= f.options.MaxAge
}

// Complete writes the ends of all files, and returns them in order, with the names that they have after a checkpoint. unique tells the checkpoint
// from all others. It may be called again for another checkpoint if the first one fails.
func (f *Files[K, V, C]) Complete(c sink.Checkpoint, unique string) ([]Named[C], error) {
	var named []Named[C]
	for _, p := range f.all {
		if p.records == 0 { // its first record was refused
			continue
		}
		f.complete(p)
		if p.failed != nil {
			return nil, fmt.Errorf("write the end of a file for folder %s: %w", p.folder, p.failed)
		}
		named = append(named, Named[C]{p.content, f.nameOf(p, c, unique)})
	}
	return named, nil
}

// nameOf returns the name that a file gets, below the directory.
func (f *Files[K, V, C]) nameOf(p *file[K, V, C], c sink.Checkpoint, unique string) string {
	from, to := p.from, p.to
	for _, position := range c.Positions {
		if position.Topic == p.topic && position.Partition == p.partition && position.From < position.To {
			from, to = position.From, position.To
		}
	}
	o := &f.options
	return path.Join(p.folder, fileName(p.place, p.number, from, to, unique, o.Suffix, o.Replace)+o.Format.Extension()+o.Compression.Extension())
}

// Forget begins anew without files, when those before are prepared.
func (f *Files[K, V, C]) Forget() {
	clear(f.open)
	clear(f.numbers)
	clear(f.all)
	f.all, f.last, f.held, f.since = f.all[:0], nil, 0, time.Time{}
}

// Discard removes all files.
func (f *Files[K, V, C]) Discard() error {
	var errs []error
	for _, p := range f.all {
		if p.stream != nil {
			_ = p.stream.Close() // gives memory of the compression back
		}
		errs = append(errs, p.content.Remove())
	}
	f.Forget()
	return errors.Join(errs...)
}
