package objectsink

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/filesink"
	"github.com/weirstreams/weir/internal/objects"
	"github.com/weirstreams/weir/sink"
)

// writer writes the objects of a task.
type writer[K, V any] struct {
	sink   *objectSink[K, V]
	task   sink.Task
	bucket *objects.Bucket
	files  *filesink.Files[K, V, *content]
	// area is in front of the keys of prepared work of the task.
	area string
	// prepared are the works of this owner that are not committed, or are only in part there.
	prepared map[string]manifest
	// committed are the works with a manifest that is kept.
	committed []string
}

// keptWork is how many manifests of committed works are kept. The state has the tokens of two at most that are committed.
const keptWork = 4

// manifest says where the objects of a work go.
type manifest struct {
	Names []string `json:"names"`
	Sizes []int64  `json:"sizes"`
	// Done says that all objects are under their names.
	Done bool `json:"done"`
}

func (w *writer[K, V]) manifestOf(work string) string { return w.area + work + "/manifest" }

func (w *writer[K, V]) keyOf(work string, i int) string { return fmt.Sprint(w.area, work, "/", i) }

// Recover removes the work of the task that belongs to no token and to no later owner.
func (w *writer[K, V]) Recover(ctx context.Context, epoch string, tokens [][]byte) error {
	keep := map[string]bool{}
	for _, t := range tokens {
		token, err := filesink.ParseToken(t)
		if err != nil {
			return w.failed("recover", err)
		}
		keep[token.Work] = true
	}
	var left []string
	err := w.bucket.List(ctx, w.area, true, func(o objects.Info) error {
		work, _, _ := strings.Cut(strings.TrimPrefix(o.Key, w.area), "/")
		if owner, isWork := filesink.OwnerOf(work); isWork && owner <= epoch && !keep[work] {
			left = append(left, o.Key)
		}
		return nil
	})
	if err == nil {
		err = w.remove(ctx, left)
	}
	return w.failed("recover", err)
}

// remove deletes objects.
func (w *writer[K, V]) remove(ctx context.Context, keys []string) error {
	return objects.Each(ctx, len(keys), func(ctx context.Context, i int) error { return w.bucket.Delete(ctx, keys[i]) })
}

func (w *writer[K, V]) Add(_ context.Context, r *weir.Record[K, V]) error { return w.files.Add(r) }

func (w *writer[K, V]) Full() bool { return w.files.Full() }

// Prepare uploads everything under hidden keys. The manifest comes last.
func (w *writer[K, V]) Prepare(ctx context.Context, c sink.Checkpoint) ([]byte, error) {
	files, err := w.files.Complete(c, filesink.Unique(w.task, w.bucket.URL(w.area), c))
	if err != nil || len(files) == 0 {
		return nil, w.failed("prepare", err)
	}
	m := manifest{Names: make([]string, len(files)), Sizes: make([]int64, len(files))}
	for i, f := range files {
		m.Names[i], m.Sizes[i] = f.Name, f.Content.Size()
	}
	work := filesink.WorkOf(c)
	w.prepared[work] = m
	o := &w.sink.options
	contentType := contentType(o.Format.Extension() + o.Compression.Extension())
	err = objects.Each(ctx, len(files), func(ctx context.Context, i int) error {
		return w.bucket.Upload(ctx, w.keyOf(work, i), files[i].Content.bytes, contentType)
	})
	if err == nil {
		err = w.store(ctx, work, m)
	}
	if err != nil {
		return nil, w.failed("prepare", err)
	}
	token, err := json.Marshal(filesink.Token{Work: work, First: m.Names[0], Files: len(files)})
	if err != nil {
		return nil, w.failed("prepare", err)
	}
	w.files.Forget()
	return token, nil
}

// store writes the manifest of a work.
func (w *writer[K, V]) store(ctx context.Context, work string, m manifest) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return w.bucket.Upload(ctx, w.manifestOf(work), data, "application/json")
}

// load reads the manifest of a work. A missing one is fs.ErrNotExist.
func (w *writer[K, V]) load(ctx context.Context, work string) (m manifest, err error) {
	data, err := w.bucket.ReadAll(ctx, w.manifestOf(work))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(data, &m); err != nil || len(m.Names) != len(m.Sizes) {
		return m, fmt.Errorf("%s is damaged: %w", w.bucket.URL(w.manifestOf(work)), cmp.Or(err, errors.New("names without sizes")))
	}
	return m, nil
}

// errGone says that prepared objects are not there any more.
var errGone = errors.New("the prepared objects are gone: if a rule of the bucket or somebody has deleted them, their records are lost; " +
	"exempt keys with the folder .weir from rules, and give all members of the group one bucket and prefix")

// Commit copies the objects of a work to their names, notes that, and removes the prepared ones.
func (w *writer[K, V]) Commit(ctx context.Context, data []byte) error {
	return w.failed("commit", w.commit(ctx, data))
}

func (w *writer[K, V]) commit(ctx context.Context, data []byte) error {
	token, err := filesink.ParseToken(data)
	if err != nil {
		return err
	}
	if slices.Contains(w.committed, token.Work) {
		return nil
	}
	m, known := w.prepared[token.Work]
	if !known {
		m, err = w.load(ctx, token.Work)
		if errors.Is(err, fs.ErrNotExist) {
			return w.committedLongAgo(ctx, token)
		}
		if err != nil {
			return err
		}
	}
	if !m.Done {
		if err := w.publish(ctx, token, m); err != nil {
			return err
		}
	}
	return w.finish(ctx, token.Work, len(m.Names))
}

// committedLongAgo fails for a token without a manifest, unless its first object is visible.
func (w *writer[K, V]) committedLongAgo(ctx context.Context, token filesink.Token) error {
	visible, err := w.bucket.Exists(ctx, token.First)
	if err == nil && !visible {
		err = fmt.Errorf("%s, %d objects, the first of them for %s: %w", w.bucket.URL(w.area+token.Work), token.Files, w.bucket.URL(token.First), errGone)
	}
	return err
}

// publish copies the objects of a work to their names. One that is gone was copied by another owner, if that one has noted it.
func (w *writer[K, V]) publish(ctx context.Context, token filesink.Token, m manifest) error {
	err := objects.Each(ctx, len(m.Names), func(ctx context.Context, i int) error {
		return w.bucket.Copy(ctx, m.Names[i], w.keyOf(token.Work, i), m.Sizes[i])
	})
	if errors.Is(err, fs.ErrNotExist) {
		now, err := w.load(ctx, token.Work)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return w.committedLongAgo(ctx, token)
		case err == nil && !now.Done:
			err = fmt.Errorf("%s: %w", w.bucket.URL(w.area+token.Work), errGone)
		}
		return err
	}
	if err != nil {
		return err
	}
	m.Done = true
	return w.store(ctx, token.Work, m)
}

// finish removes the prepared objects of a committed work, and work before it that nobody asks for any more.
func (w *writer[K, V]) finish(ctx context.Context, work string, count int) error {
	var left []string
	for i := range count {
		left = append(left, w.keyOf(work, i))
	}
	// Commits go in the order of checkpoints: work that this owner has prepared before, and was not committed, never will be.
	before := slices.Collect(maps.Keys(w.prepared))
	before = slices.DeleteFunc(before, func(other string) bool { return other >= work })
	for _, other := range before {
		left = append(left, w.manifestOf(other))
		for i := range w.prepared[other].Names {
			left = append(left, w.keyOf(other, i))
		}
	}
	forgotten := max(0, len(w.committed)+1-keptWork)
	for _, other := range w.committed[:forgotten] {
		left = append(left, w.manifestOf(other))
	}
	if err := w.remove(ctx, left); err != nil {
		return err
	}
	delete(w.prepared, work)
	for _, other := range before {
		delete(w.prepared, other)
	}
	w.committed = append(w.committed[forgotten:], work)
	return nil
}

func (w *writer[K, V]) Discard() { _ = w.files.Discard() } // of memory, which cannot fail

func (w *writer[K, V]) Close() error {
	w.Discard()
	return nil
}

// failed names the sink in an error, and says whether it may pass.
func (w *writer[K, V]) failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	return objects.Later(fmt.Errorf("%s: %s: %w", w.sink.name, doing, err))
}

// contentType returns the media type for the ending of a name.
func contentType(ending string) string {
	switch ending[strings.LastIndexByte(ending, '.')+1:] {
	case "jsonl":
		return "application/x-ndjson"
	case "csv":
		return "text/csv"
	case "parquet":
		return "application/vnd.apache.parquet"
	case "gz":
		return "application/gzip"
	case "zst":
		return "application/zstd"
	}
	return "application/octet-stream"
}
