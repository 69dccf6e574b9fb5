package quix

// Sample has the values of a timeseries at one moment.
type Sample struct {
	// Timestamp is in nanoseconds since the Unix epoch.
	Timestamp int64
	// Numeric, Strings and Binary are the values by the names of the parameters. A parameter without a value at this
	// moment is not there. When reading, numbers are rounded to float64; see [Rows] for all their digits.
	Numeric map[string]float64
	Strings map[string]string
	Binary  map[string][]byte
	Tags    map[string]string
	// NullTags are the names of tags with a null value, sorted. A name is in one of Tags and NullTags.
	NullTags []string
}

// Event is one event.
type Event struct {
	// Timestamp is in nanoseconds since the Unix epoch.
	Timestamp int64
	ID        string
	Value     string
	Tags      map[string]string
}

// Options of a codec.
type Options struct {
	// Headers writes the data without an envelope and names its model and codec in the headers __Q_ModelKey and __Q_CodecId. The default is
	// the legacy form, which every reader understands. Both are read.
	Headers bool
	// MaxBytes bounds the size of a message after decompression. The default is 64 MiB.
	MaxBytes int64
}

// The models, and their names in headers and envelopes.
const (
	timeseriesModel       = "TimeseriesData"
	legacyTimeseriesModel = "ParameterData"
	eventModel            = "EventData"
	eventsModel           = "EventData[]"
)

// Headers that describe a message.
const (
	modelHeader = "__Q_ModelKey"
	codecHeader = "__Q_CodecId"
	splitHeader = "__Q_SplitMessageId"
)
