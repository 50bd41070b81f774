// Runs a weights file of Featheredge with ONNX Runtime's C++ API, and with nothing else.
//
//     edges NETWORK.onnx PICTURE.ppm MAP.pgm
//
// The picture is a binary PPM (P6), the map a binary PGM (P5) of the same size, white on black.
// docs/weights-file.md says how to compile it.

#include <cmath>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <regex>
#include <stdexcept>
#include <string>
#include <vector>

#include <onnxruntime_cxx_api.h>

struct Picture {
    int64_t height = 0, width = 0;
    std::vector<uint8_t> rgb;  // height x width x 3
};

// What the metadata of the file says, see docs/weights-file.md.
struct Metadata {
    int64_t stride = 1;    // height and width are multiples of it
    int64_t input_px = 0;  // side of the square that pictures are resized to; 0: their own size
};

int64_t number_after(const std::string& json, const std::string& key, int64_t otherwise) {
    std::smatch found;
    const std::regex pattern("\"" + key + "\"\\s*:\\s*(\\d+)");
    return std::regex_search(json, found, pattern) ? std::stoll(found[1]) : otherwise;
}

Metadata read_metadata(const Ort::Session& session) {
    Ort::AllocatorWithDefaultOptions allocator;
    const auto stored = session.GetModelMetadata().LookupCustomMetadataMapAllocated(
        "featheredge", allocator);
    if (!stored) throw std::runtime_error("the network has no metadata of featheredge");
    const std::string json(stored.get());
    return {number_after(json, "stride", 1), number_after(json, "input_px", 0)};
}

Picture read_ppm(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string magic;
    Picture picture;
    int64_t highest = 0;
    file >> magic >> picture.width >> picture.height >> highest;
    file.ignore(1);
    if (!file || magic != "P6" || highest != 255) {
        throw std::runtime_error(path + ": expected a binary PPM (P6) of 8 bits");
    }
    picture.rgb.resize(picture.height * picture.width * 3);
    file.read(reinterpret_cast<char*>(picture.rgb.data()), picture.rgb.size());
    if (!file) throw std::runtime_error(path + ": ends before its last pixel");
    return picture;
}

// Index of the pixel that a padded pixel repeats: ... 2 1 | 0 1 2 3 | 2 1 0 ...
int64_t reflected(int64_t index, int64_t length) {
    if (length == 1) return 0;
    const int64_t period = 2 * (length - 1);
    index %= period;
    return index < length ? index : period - index;
}

Picture pad_to_stride(const Picture& picture, int64_t stride) {
    const auto up = [stride](int64_t side) { return (side + stride - 1) / stride * stride; };
    Picture padded{up(picture.height), up(picture.width), {}};
    padded.rgb.reserve(padded.height * padded.width * 3);
    for (int64_t row = 0; row < padded.height; ++row) {
        for (int64_t column = 0; column < padded.width; ++column) {
            const int64_t source = reflected(row, picture.height) * picture.width +
                                   reflected(column, picture.width);
            const auto pixel = picture.rgb.begin() + 3 * source;
            padded.rgb.insert(padded.rgb.end(), pixel, pixel + 3);
        }
    }
    return padded;
}

// Returns the map of a picture, height x width values in [0, 1].
std::vector<float> infer(Ort::Session& session, const Picture& picture, int64_t stride) {
    Picture padded = pad_to_stride(picture, stride);
    const int64_t shape[] = {1, padded.height, padded.width, 3};
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    const Ort::Value image = Ort::Value::CreateTensor<uint8_t>(
        memory, padded.rgb.data(), padded.rgb.size(), shape, 4);
    const char* inputs[] = {"image"};
    const char* outputs[] = {"map"};
    const auto results = session.Run(Ort::RunOptions{}, inputs, &image, 1, outputs, 1);
    const float* values = results[0].GetTensorData<float>();
    std::vector<float> map;
    map.reserve(picture.height * picture.width);
    for (int64_t row = 0; row < picture.height; ++row) {
        const float* start = values + row * padded.width;
        map.insert(map.end(), start, start + picture.width);
    }
    return map;
}

void write_pgm(const std::string& path, const std::vector<float>& map, const Picture& picture) {
    std::ofstream file(path, std::ios::binary);
    file << "P5\n" << picture.width << " " << picture.height << "\n255\n";
    for (const float value : map) file.put(static_cast<char>(std::lround(255 * value)));
    if (!file) throw std::runtime_error(path + ": cannot be written");
}

int main(int count, char** arguments) {
    if (count != 4) {
        std::cerr << "usage: edges NETWORK.onnx PICTURE.ppm MAP.pgm\n";
        return 2;
    }
    try {
        const Ort::Env env(ORT_LOGGING_LEVEL_WARNING, "edges");
        Ort::SessionOptions options;
        options.SetIntraOpNumThreads(1);  // small networks gain little from more
        Ort::Session session(env, arguments[1], options);
        const Metadata metadata = read_metadata(session);
        const Picture picture = read_ppm(arguments[2]);
        const int64_t side = metadata.input_px;
        if (side && (picture.height != side || picture.width != side)) {
            throw std::runtime_error("this network sees the whole picture: resize it to " +
                                     std::to_string(side) + "x" + std::to_string(side));
        }
        write_pgm(arguments[3], infer(session, picture, metadata.stride), picture);
    } catch (const std::exception& error) {
        std::cerr << "edges: " << error.what() << "\n";
        return 1;
    }
    return 0;
}
