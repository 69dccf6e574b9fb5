package windowgoldentest_test

import (
	"encoding/json"
	"strconv"
	"strings"
)

// aggregate computes the aggregate of the case, of records in the order of their addition.
func (m *goldenModel) aggregate(records, items []modelValue) json.RawMessage {
	var all goldenAll
	var squares int64
	var texts []string
	var earliest, latest int64
	for _, r := range records {
		if r.value == nil {
			texts = append(texts, "None")
			continue
		}
		v := *r.value
		texts = append(texts, strconv.FormatInt(v, 10))
		squares += v * v
		all.Sum += v
		if all.Count == 0 || v < *all.Min {
			all.Min = &v
		}
		if all.Count == 0 || v > *all.Max {
			all.Max = &v
		}
		if all.Count == 0 || r.t < earliest {
			all.Earliest, earliest = &v, r.t
		}
		if all.Count == 0 || r.t >= latest {
			all.Latest, latest = &v, r.t
		}
		if all.Count == 0 {
			all.First = &v
		}
		all.Last = &v
		all.Count++
	}
	if all.Count > 0 {
		mean := float64(all.Sum) / float64(all.Count)
		all.Mean = &mean
	}
	values := []*int64{}
	for _, r := range items {
		if r.value != nil || !m.rules.leaveOutNulls {
			values = append(values, r.value)
		}
	}
	var result any
	switch m.c.Agg {
	case "count":
		result = all.Count
	case "sum":
		result = all.Sum
	case "mean":
		result = all.Mean
	case "min":
		result = all.Min
	case "max":
		result = all.Max
	case "first":
		result = all.First
	case "last":
		result = all.Last
	case "earliest":
		result = all.Earliest
	case "latest":
		result = all.Latest
	case "collect":
		result = values
	case "custom":
		result = squares
	case "reduce":
		result = strings.Join(texts, ",")
	case "all":
		result = all
	case "allcollect":
		result = struct {
			goldenAll
			Values []*int64 `json:"values"`
		}{all, values}
	}
	data, err := json.Marshal(result)
	if err != nil {
		panic(err)
	}
	return data
}

func sumOf(records []modelValue) (sum int64) {
	for _, r := range records {
		if r.value != nil {
			sum += *r.value
		}
	}
	return sum
}
