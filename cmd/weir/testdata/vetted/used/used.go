// Package used throws nothing away.
package used

import (
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
)

// Topology is a topology whose filter has an effect.
func Topology() *stream.Topology {
	lines := stream.NewTopic("lines", codec.String(), codec.String())
	t := stream.NewTopology()
	t.From(lines).
		Filter(func(line string) bool { return line != "" }).
		To(stream.NewTopic("copy", codec.String(), codec.String()))
	return t
}
