package azure

import (
	"github.com/weirstreams/weir/internal/objects/azure"
	"github.com/weirstreams/weir/internal/objects/objectsource"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/file"
)

// Container names a container and says how to reach it. Account and Name are needed; without AccountKey the credentials come from the environment of Azure.
// The fields are Account, Name, Prefix, AccountKey, Endpoint, Timeout and Retry.
type Container = azure.Container

// Options are those of source/file: format, pattern, order, keys and times, replay, and new objects. WatchInterval is 10 s by default.
type Options[K, V any] = file.Options[K, V]

// New returns a source of the objects below the prefix of a container. Connect reports mistakes in the settings, a missing container and missing
// permissions.
func New[K, V any](container Container, options Options[K, V]) source.Source[K, V] {
	return objectsource.New("source/azure", container.Open(), options)
}
