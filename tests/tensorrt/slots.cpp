/* Prints where the methods that src/detect/tensorrt calls stand in TensorRT's virtual tables, by the headers that it is compiled
 * with (with -DRTX those of TensorRT for RTX); docs/tensorrt-abi.md says how. x86-64 only: there a pointer to a virtual method is 1 + its
 * offset in the table. */
#include <NvInfer.h>
#if NV_TENSORRT_MAJOR >= 10 || defined RTX
#define BUILDER
#include <NvOnnxParser.h>
#endif
#include <cstdio>
#include <cstring>
using namespace nvinfer1;
template <class Method> long slot(Method method) {
    long value;
    std::memcpy(&value, &method, sizeof value);
    return (value - 1) / static_cast<long>(sizeof(void *));
}
#define SHOW(method) std::printf("%-40s %ld\n", #method, slot(&apiv::method))
#define SHOW_PARSER(method) std::printf("%-40s %ld\n", #method, slot(&nvonnxparser::method))
int main() {
    std::printf("TensorRT %d.%d\n", NV_TENSORRT_MAJOR, NV_TENSORRT_MINOR);
#ifndef BUILDER
    SHOW(VRuntime::deserializeCudaEngine);
#else
    using Deserialize = ICudaEngine *(apiv::VRuntime::*)(void const *, std::size_t) noexcept;
    std::printf("%-40s %ld\n", "VRuntime::deserializeCudaEngine", slot<Deserialize>(&apiv::VRuntime::deserializeCudaEngine));
#endif
    SHOW(VRuntime::setDLACore);
    SHOW(VRuntime::getNbDLACores);
#ifndef BUILDER
    SHOW(VCudaEngine::createExecutionContext);
#else
    using Create = IExecutionContext *(apiv::VCudaEngine::*)(ExecutionContextAllocationStrategy) noexcept;
    std::printf("%-40s %ld\n", "VCudaEngine::createExecutionContext", slot<Create>(&apiv::VCudaEngine::createExecutionContext));
#endif
    SHOW(VCudaEngine::getTensorShape);
    SHOW(VCudaEngine::getTensorDataType);
    SHOW(VCudaEngine::getTensorIOMode);
    SHOW(VCudaEngine::getProfileShape);
    SHOW(VCudaEngine::getNbIOTensors);
    SHOW(VCudaEngine::getIOTensorName);
    SHOW(VExecutionContext::setInputShape);
    SHOW(VExecutionContext::setTensorAddress);
    SHOW(VExecutionContext::enqueueV3);
#ifdef BUILDER
    SHOW(VBuilder::createBuilderConfig);
    SHOW(VBuilder::createNetworkV2);
    SHOW(VBuilder::createOptimizationProfile);
    SHOW(VBuilder::buildSerializedNetwork);
    SHOW(VBuilderConfig::setFlag);
    SHOW(VBuilderConfig::addOptimizationProfile);
    SHOW(VBuilderConfig::setMemoryPoolLimit);
#ifdef RTX
    SHOW(VCudaEngine::createExecutionContextWithRuntimeConfig);
    SHOW(VCudaEngine::createRuntimeConfig);
    SHOW(VRuntimeConfig::createRuntimeCache);
    SHOW(VRuntimeConfig::setRuntimeCache);
    SHOW(VRuntimeCache::serialize);
    SHOW(VRuntimeCache::deserialize);
    SHOW(VBuilderConfig::setNbComputeCapabilities);
    SHOW(VBuilderConfig::setComputeCapability);
#endif
    SHOW(VNetworkDefinition::getNbInputs);
    SHOW(VNetworkDefinition::getInput);
    SHOW(VTensor::getName);
    SHOW(VTensor::getDimensions);
    SHOW(VOptimizationProfile::setDimensions);
    SHOW(VHostMemory::data);
    SHOW(VHostMemory::size);
    SHOW_PARSER(IParser::parseFromFile);
    SHOW_PARSER(IParser::getNbErrors);
    SHOW_PARSER(IParser::getError);
    SHOW_PARSER(IParserError::desc);
    SHOW_PARSER(IParserError::nodeName);
#endif
    std::printf("%-40s %zu\n", "sizeof(Dims)", sizeof(Dims));
}
