package main

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

//go:embed flights.json.gz
var flightsFile []byte

//go:embed airports.csv
var airportsFile []byte

// Airport says where an airport is.
type Airport struct{ City, State string }

// readFlights returns the flights of the file, in order of time.
func readFlights() ([]Flight, error) {
	r, err := gzip.NewReader(bytes.NewReader(flightsFile))
	if err != nil {
		return nil, err
	}
	var flights []Flight
	if err := json.NewDecoder(r).Decode(&flights); err != nil {
		return nil, fmt.Errorf("flights.json.gz: %w", err)
	}
	return flights, nil
}

// readAirports returns the airports by code.
func readAirports() (map[string]Airport, error) {
	rows, err := csv.NewReader(bytes.NewReader(airportsFile)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("airports.csv: %w", err)
	}
	airports := map[string]Airport{}
	for _, row := range rows[1:] {
		airports[row[0]] = Airport{City: row[1], State: row[2]}
	}
	return airports, nil
}

// departure returns the time of departure. The file has local times without a zone; they are taken as UTC.
func (f Flight) departure() (time.Time, error) { return time.Parse("2006/01/02 15:04", f.Date) }

// write appends flights to a topic. Each state reports to a partition of its own choice, so that the flights of one
// airport are in order, but airports are spread as it happens: the pipeline brings them together.
func write(client sarama.Client, topic string, flights []Flight, airports map[string]Airport) error {
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		return err
	}
	defer producer.Close()
	const batch = 1000
	messages := make([]*sarama.ProducerMessage, 0, batch)
	for i, f := range flights {
		departure, err := f.departure()
		if err != nil {
			return fmt.Errorf("flight %d: %w", i, err)
		}
		value, err := json.Marshal(f)
		if err != nil {
			return err
		}
		messages = append(messages, &sarama.ProducerMessage{
			Topic: topic, Timestamp: departure,
			Key: sarama.StringEncoder(airports[f.Origin].State), Value: sarama.ByteEncoder(value),
		})
		if len(messages) == batch || i == len(flights)-1 {
			if err := producer.SendMessages(messages); err != nil {
				return err
			}
			messages = messages[:0]
		}
	}
	return nil
}
