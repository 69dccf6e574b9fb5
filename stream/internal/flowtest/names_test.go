package flowtest_test

import "github.com/weirstreams/weir/stream/internal/streamtest"

type (
	textRecord = streamtest.TextRecord
	textCell   = streamtest.TextCell
	record     = streamtest.TextMessage
)

var (
	in         = streamtest.In
	out        = streamtest.Out
	at         = streamtest.At
	cellHandle = streamtest.Cell
)
