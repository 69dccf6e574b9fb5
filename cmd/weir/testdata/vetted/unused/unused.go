// Package unused throws the result of Filter away.
package unused

import (
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
)

// Topology is a topology whose filter has no effect.
func Topology() *stream.Topology {
	lines := stream.NewTopic("lines", codec.String(), codec.String())
	t := stream.NewTopology()
	s := t.From(lines)
	s.Filter(func(line string) bool { return line != "" })
	s.To(stream.NewTopic("copy", codec.String(), codec.String()))
	return t
}
