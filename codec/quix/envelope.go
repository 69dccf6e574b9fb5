package quix

import (
	"bytes"
	"strconv"
)

// openEnvelope takes an envelope apart that is written as writers do it, without white space and with S and E saying where
// the data lie. Then the data need not be read twice. ok is false for all others.
func openEnvelope(value []byte) (model, codecID string, data []byte, ok bool) {
	rest, ok := bytes.CutPrefix(value, []byte(`{"C":"`))
	if !ok {
		return "", "", nil, false
	}
	id, rest, ok := bytes.Cut(rest, []byte(`","K":"`))
	if !ok || !isPlain(id) {
		return "", "", nil, false
	}
	name, rest, ok := bytes.Cut(rest, []byte(`","V":`))
	if !ok || !isPlain(name) {
		return "", "", nil, false
	}
	to := bytes.LastIndex(rest, []byte(`,"S":`))
	if to < 0 {
		return "", "", nil, false
	}
	from := len(value) - len(rest)
	var buffer [64]byte
	end := strconv.AppendInt(append(buffer[:0], `,"S":`...), int64(from), 10)
	end = append(strconv.AppendInt(append(end, `,"E":`...), int64(from+to), 10), '}')
	if !bytes.Equal(rest[to:], end) {
		return "", "", nil, false
	}
	return text(name), text(id), rest[:to], true
}

// isPlain says that JSON text stands for itself.
func isPlain(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c == '"' || c == '\\' || c > '~' {
			return false
		}
	}
	return true
}

// text returns a string, for the usual ones without an allocation.
func text(b []byte) string {
	switch string(b) {
	case "JT":
		return "JT"
	case timeseriesModel:
		return timeseriesModel
	case legacyTimeseriesModel:
		return legacyTimeseriesModel
	case eventModel:
		return eventModel
	}
	return string(b)
}
