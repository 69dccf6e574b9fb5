package definitiontest_test

import "github.com/weirstreams/weir/stream/internal/streamtest"

type (
	textStream = streamtest.TextStream
	textRecord = streamtest.TextRecord
	textCell   = streamtest.TextCell
	textTopic  = streamtest.TextTopic
)

var (
	in         = streamtest.In
	out        = streamtest.Out
	at         = streamtest.At
	topic      = streamtest.Topic
	cellHandle = streamtest.Cell
	nums       = streamtest.Nums
	numsOut    = streamtest.NumsOut
	accept     = streamtest.Accept
	same       = streamtest.Same
	first      = streamtest.First
)
