// Package letter knows the form of a dead letter: the record as it lay in its topic, with headers about its error.
package letter

import (
	"runtime/debug"
	"strings"
	"sync"
)

// Names of headers. All values are text, numbers in decimals. Those of Kafka Streams are of KIP-1034.
const (
	StreamsPrefix = "__streams.errors."
	Topic         = StreamsPrefix + "topic"
	Partition     = StreamsPrefix + "partition"
	Offset        = StreamsPrefix + "offset"
	Exception     = StreamsPrefix + "exception"
	Message       = StreamsPrefix + "message"
	Stack         = StreamsPrefix + "stacktrace"

	WeirPrefix = "__weir.errors."
	Group      = WeirPrefix + "group"
	Task       = WeirPrefix + "task"
	Operator   = WeirPrefix + "operator"
	Site       = WeirPrefix + "site"
	Stage      = WeirPrefix + "stage"
	Attempt    = WeirPrefix + "attempt"
	Time       = WeirPrefix + "time"
	Version    = WeirPrefix + "version"
	Reason     = WeirPrefix + "reason"

	// Replays is how many times the record was replayed. Unlike the others it stays with a replayed record.
	Replays = "__weir.replays"

	SpringPrefix = "kafka_dlt-"
)

// TimeFormat is the form of the time of an error: UTC, in milliseconds.
const TimeFormat = "2006-01-02T15:04:05.000Z"

// IsAboutError reports whether a header is one of those that a letter adds to its record.
func IsAboutError(name string) bool {
	return strings.HasPrefix(name, StreamsPrefix) || strings.HasPrefix(name, WeirPrefix) || strings.HasPrefix(name, SpringPrefix)
}

// version is that of the module in this program.
var version = sync.OnceValue(func() string {
	const module = "github.com/weirstreams/weir"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if info.Main.Path == module {
		return info.Main.Version
	}
	for _, dep := range info.Deps {
		if dep.Path == module {
			return dep.Version
		}
	}
	return "unknown"
})
