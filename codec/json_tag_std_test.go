//go:build weir_stdjson

package codec_test

const stdJSONWanted = true
