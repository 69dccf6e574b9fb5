package graph

import (
	"errors"

	"github.com/weirstreams/weir"
)

// Failure returns the error of an input record that the node could not process.
func (n *Node) Failure(origin weir.Origin, err error) *weir.ProcessingError {
	return &weir.ProcessingError{Origin: origin, Node: n.String(), Site: n.Site, Stage: n.stage(err), Err: err}
}

// stage returns the stage of processing in which the node has met an error.
func (n *Node) stage(err error) weir.Stage {
	if n.Global != nil {
		return weir.StageGlobalTable
	}
	if c, ok := errors.AsType[*weir.CodecError](err); ok {
		if c.Encoding {
			return weir.StageEncode
		}
		return weir.StageDecode
	}
	_, refused := errors.AsType[*weir.ProduceError](err)
	_, large := errors.AsType[*weir.StateError](err)
	switch {
	case refused, large:
		return weir.StageProduce
	case n.External != nil && n.Source == nil:
		return weir.StageSink
	case n.Kind == KindLookup:
		return weir.StageLookup
	default:
		return weir.StageProcess
	}
}
