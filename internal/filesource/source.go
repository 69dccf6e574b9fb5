// Package filesource reads files as splits of a source: in one sequence, by folder, or each for itself, with a position that names the
// record. The sources of files and of objects share it.
package filesource

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/source"
)

// Files is a place with files.
type Files interface {
	// List returns the files of a part that are to be read, in order.
	List(ctx context.Context, now time.Time, of Part) ([]Entry, error)
	// Compare compares names in the order of List.
	Compare(a, b string) int
	// PathOf returns the whole path of a file, for errors.
	PathOf(name string) string
	// Open opens a file. ctx is that of the first reads too.
	Open(ctx context.Context, name string) (File, error)
}

// Entry is a file. Its name is the path below the folder of the source, with slashes.
type Entry struct {
	Name string
	Size int64
}

// Part is a part of the files.
type Part struct {
	Kind Kind
	// Name is that of the file or folder.
	Name string
}

// Kind says which files a part has.
type Kind int

const (
	// All are the files of all folders.
	All Kind = iota
	// InFolder are those that lie in a folder, Root for those in none.
	InFolder
	// Single is one file.
	Single
)

// Root is the folder of files that lie in none.
const Root = "."

// FolderOf returns the folder that a file lies in. A name with two slashes in a row has a folder of its own.
func FolderOf(name string) string {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i]
	}
	return Root
}

// File is an open file.
type File interface {
	format.File
	io.Closer
	// Use sets the context of the following reads.
	Use(ctx context.Context)
	// Compression is that of the stored bytes.
	Compression() format.Compression
	// Version names the content, in places that keep versions apart, and is empty elsewhere.
	Version() string
	// Unchanged fails if the file is not the one any more that was opened.
	Unchanged() error
}

// Source reads files of one place.
type Source[K, V any] struct {
	// Name is the package, for errors.
	Name    string
	Options Options[K, V] // with defaults
	Files   Files
}

// Slots is the method of source.Slotted: a sequence cannot be divided.
func (s *Source[K, V]) Slots() int32 {
	const most = 8
	if s.Options.Order == OneSequence {
		return 1
	}
	return most
}

const (
	allFiles = "all"
	inFolder = "folder:"
	theFile  = "file:"
)

// Splits is the method of source.Source: one for all files, one for each folder, or one for each file.
func (s *Source[K, V]) Splits(ctx context.Context) (splits []source.Split, err error) {
	if s.Options.Order == OneSequence {
		return []source.Split{{ID: allFiles}}, nil
	}
	found, err := s.Files.List(ctx, time.Now(), Part{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	seen := map[string]bool{}
	for _, f := range found {
		id := theFile + f.Name
		if s.Options.Order == ByFolder {
			id = inFolder + FolderOf(f.Name)
		}
		if !seen[id] {
			seen[id] = true
			splits = append(splits, source.Split{ID: id})
		}
	}
	return splits, nil
}

// Open is the method of source.Source.
func (s *Source[K, V]) Open(ctx context.Context, task source.Task, split source.Split, data []byte) (source.Reader[K, V], error) {
	r := &reader[K, V]{source: s, task: task}
	switch {
	case split.ID == allFiles:
		r.watched = s.Options.Watch
	case strings.HasPrefix(split.ID, inFolder):
		r.part = Part{InFolder, strings.TrimPrefix(split.ID, inFolder)}
		r.watched = s.Options.Watch
	case strings.HasPrefix(split.ID, theFile):
		r.part = Part{Single, strings.TrimPrefix(split.ID, theFile)}
	default:
		return nil, fmt.Errorf("%s: split %q is not one of this source", s.Name, split.ID)
	}
	if data != nil {
		if err := json.Unmarshal(data, &r.position); err != nil {
			return nil, fmt.Errorf("%s: position %q: %w", s.Name, data, err)
		}
	}
	if err := r.begin(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	return r, nil
}
