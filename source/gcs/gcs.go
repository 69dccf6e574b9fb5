package gcs

import (
	"github.com/weirstreams/weir/internal/objects/gcs"
	"github.com/weirstreams/weir/internal/objects/objectsource"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/file"
)

// Bucket names a bucket and says how to reach it. Name is needed; without ServiceAccountKey the credentials come from the environment of Google.
// The fields are Name, Prefix, ServiceAccountKey, Anonymous, Endpoint, Timeout and Retry.
type Bucket = gcs.Bucket

// Options are those of source/file: format, pattern, order, keys and times, replay, and new objects. WatchInterval is 10 s by default.
type Options[K, V any] = file.Options[K, V]

// New returns a source of the objects below the prefix of a bucket. Connect reports mistakes in the settings, a missing bucket and missing
// permissions.
func New[K, V any](bucket Bucket, options Options[K, V]) source.Source[K, V] {
	return objectsource.New("source/gcs", bucket.Open(), options)
}
