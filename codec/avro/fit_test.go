package avro_test

import (
	"strings"
	"testing"

	"github.com/weirstreams/weir/codec/avro"
)

func TestAStructThatDoesNotFitItsRecordIsRefused(t *testing.T) {
	t.Parallel()
	const reading = `{"type":"record","name":"reading","fields":[{"name":"seq","type":"long"},{"name":"celsius","type":"double","aliases":["degrees"]},
		{"name":"place","type":["null",{"type":"record","name":"place","fields":[{"name":"site","type":"string"}]}]}]}`
	const list = `{"type":"array","items":` + reading + `}`
	type right struct {
		Celsius float64 `avro:"celsius"`
		Own     int     `avro:"-"`
		Other   string
	}
	type place struct {
		Town string `avro:"town"`
	}
	for name, test := range map[string]struct {
		make func() error
		want string // part of the error; "" for none
	}{
		"fewer fields": {fitOf[right](reading), ""},
		"an alias": {fitOf[struct {
			Degrees float64 `avro:"degrees"`
		}](reading), ""},
		"a map": {fitOf[map[string]any](reading), ""},
		"a tag that names no field": {fitOf[struct {
			Seq     int64   `avro:"seq"`
			Celsius float64 `avro:"celcius"`
		}](reading), `the field Celsius of struct`},
		"an optional field": {fitOf[struct {
			Seq     int64   `avro:"seq"`
			Celsius float64 `avro:"kelvin,optional"`
		}](reading), ""},
		"another option": {fitOf[struct {
			Seq int64 `avro:"seq,omitempty"`
		}](reading), "the only option is optional"},
		"a struct without fields": {fitOf[struct{}](reading), ""},
		"no tags":                 {fitOf[struct{ Seq int64 }](reading), "which has seq, celsius, place: give the fields tags"},
		"behind pointers":         {fitOf[*struct{ Seq int64 }](reading), "which has seq"},
		"in a list":               {fitOf[[]struct{ Seq int64 }](list), "which has seq"},
		"in a union": {fitOf[struct {
			Place *place `avro:"place"`
		}](reading), `the field Town of avro_test.place has the tag avro:"town", and the record place has no such field, only site`},
		"registered": {func() error {
			type outer struct {
				Place any `avro:"place"`
			}
			f, err := avro.Typed[outer](reading)
			if err != nil {
				return err
			}
			return f.Register[place]("place")
		}, "the field Town"},
	} {
		err := test.make()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got error %v, want one with %q", name, err, test.want)
		}
	}
}

func fitOf[T any](schema string) func() error {
	return func() error {
		_, err := avro.Typed[T](schema)
		return err
	}
}
