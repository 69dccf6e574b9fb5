package azure

import (
	"github.com/weirstreams/weir/internal/objects/azure"
	"github.com/weirstreams/weir/internal/objects/objectsink"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/file"
)

// Container names a container and says how to reach it. Account and Name are needed; without AccountKey the credentials come from the environment of Azure.
// The fields are Account, Name, Prefix, AccountKey, Endpoint, Timeout and Retry.
type Container = azure.Container

// Options are those of sink/file: format, compression, folders, and when a file is complete. All content of a task is in memory until its
// checkpoint: HoldBytes bounds it.
type Options[K, V any] = file.Options[K, V]

// New returns a sink that writes objects below the prefix of a container, which has to exist. Delivery is exactly once if the application runs exactly
// once. Connect reports mistakes in the settings, a missing container and missing permissions.
func New[K, V any](container Container, options Options[K, V]) sink.TwoPhase[K, V] {
	return objectsink.New("sink/azure", container.Open(), options)
}
