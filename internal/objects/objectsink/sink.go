// Package objectsink writes the files of a checkpoint as objects: first under hidden keys, and by copies to their own keys when the
// checkpoint has committed:
//
//	PREFIX/.weir/TASK/EPOCH-ID/0, 1, ...  the content
//	PREFIX/.weir/TASK/EPOCH-ID/manifest   the keys that it gets, and whether it has got them
//
// The manifest of a committed checkpoint is kept for a while: it tells a token that was committed before from one that lost its objects.
package objectsink

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/filesink"
	"github.com/weirstreams/weir/internal/objects"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/file"
)

// root is the hidden folder of a bucket, below the prefix.
const root = ".weir/"

// New returns a sink that writes to a bucket. name is that of its package, for errors.
func New[K, V any](name string, bucket *objects.Bucket, options file.Options[K, V]) sink.TwoPhase[K, V] {
	return &objectSink[K, V]{name: name, bucket: bucket, options: filesink.Options[K, V](options).WithDefaults()}
}

type objectSink[K, V any] struct {
	name    string
	bucket  *objects.Bucket
	options filesink.Options[K, V]
}

// maxObject is the size of the largest object that every store copies in one call.
const maxObject = 4 << 30

// Connect checks the options, and that the bucket is there and can be written to.
func (s *objectSink[K, V]) Connect(ctx context.Context) error {
	err := s.options.Check()
	if err == nil && s.options.MaxFileBytes > maxObject {
		err = fmt.Errorf("MaxFileBytes is greater than %d, the largest size that is copied in one call", maxObject)
	}
	if err != nil {
		return fmt.Errorf("%s: %s: %w: %w", s.name, s.bucket, weir.ErrConfiguration, err)
	}
	if err := s.bucket.Connect(ctx); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if err := s.bucket.ProbeWrites(ctx, root+"probe-"+rand.Text()); err != nil {
		_ = s.bucket.Close() // the error of the probe says more
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

// Close closes the client.
func (s *objectSink[K, V]) Close(context.Context) error {
	if err := s.bucket.Close(); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

// Writer makes objects visible at once.
func (s *objectSink[K, V]) Writer(ctx context.Context, task sink.Task) (sink.Writer[K, V], error) {
	w, err := s.TwoPhaseWriter(ctx, task)
	if err != nil {
		return nil, err
	}
	return filesink.Plain(ctx, w)
}

// TwoPhaseWriter returns the writer of a task.
func (s *objectSink[K, V]) TwoPhaseWriter(_ context.Context, task sink.Task) (sink.TwoPhaseWriter[K, V], error) {
	if !s.bucket.IsOpen() {
		return nil, fmt.Errorf("%s: Writer is called before Connect", s.name)
	}
	w := &writer[K, V]{
		sink: s, task: task, bucket: s.bucket,
		area:     fmt.Sprintf("%s%d-%s/", root, task.Partition, filesink.Digest(filesink.Identity(task))),
		prepared: map[string]manifest{},
	}
	w.files = filesink.New(s.options, task.Now, maxKey-s.bucket.PrefixLen(), func() *content { return &content{} })
	return w, nil
}

// maxKey is the longest key of a folder in bytes. It leaves room for the longest name of an object within the 1,024 bytes that all stores take.
const maxKey = 1024 - 380

// String names the bucket.
func (s *objectSink[K, V]) String() string { return "objects in " + s.bucket.String() }

// content is the content of an object, in memory.
type content struct{ bytes []byte }

func (c *content) Write(data []byte) (int, error) {
	c.bytes = append(c.bytes, data...)
	return len(data), nil
}

func (c *content) Size() int64    { return int64(len(c.bytes)) }
func (c *content) Pending() int64 { return int64(cap(c.bytes)) }
func (c *content) Release()       {}

func (c *content) Remove() error {
	c.bytes = nil
	return nil
}
