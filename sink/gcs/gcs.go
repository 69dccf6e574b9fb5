package gcs

import (
	"github.com/weirstreams/weir/internal/objects/gcs"
	"github.com/weirstreams/weir/internal/objects/objectsink"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/file"
)

// Bucket names a bucket and says how to reach it. Name is needed; without ServiceAccountKey the credentials come from the environment of Google.
// The fields are Name, Prefix, ServiceAccountKey, Anonymous, Endpoint, Timeout and Retry.
type Bucket = gcs.Bucket

// Options are those of sink/file: format, compression, folders, and when a file is complete. All content of a task is in memory until its
// checkpoint: HoldBytes bounds it.
type Options[K, V any] = file.Options[K, V]

// New returns a sink that writes objects below the prefix of a bucket, which has to exist. Delivery is exactly once if the application runs exactly
// once. Connect reports mistakes in the settings, a missing bucket and missing permissions.
func New[K, V any](bucket Bucket, options Options[K, V]) sink.TwoPhase[K, V] {
	return objectsink.New("sink/gcs", bucket.Open(), options)
}
